import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Runners as their callers meet them: over real ssh, with a real engine and a real registry.
@Suite struct RunnerTests {
    @Test func onlyItsCallerGetsIn() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            let other = folder.appending(path: "other")
            try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
            let stranger = try await Caller(in: other)
            try await withOrchestrator { orchestrator in
                let runner = try await orchestrator.readyRunner(caller.order())
                let hello = try await caller.ssh(
                    runner, "cat; echo \"$HOME $TMPDIR\"; cd \"$HOME\"", input: Array("in ".utf8))
                #expect(hello.termination == .exited(0))
                let own = parentFolder(runner.workDir)
                #expect(hello.outputText == "in \(own)/home \(own)/tmp\n")

                #expect(try await stranger.ssh(runner, "true").termination == .exited(255))
                let password = try await stranger.ssh(
                    runner, "true", options: ["-v", "-o", "PreferredAuthentications=password,keyboard-interactive"])
                let offered = password.errorText.split(whereSeparator: \.isNewline).filter {
                    $0.contains("can continue")
                }
                #expect(offered == ["debug1: Authentications that can continue: publickey"])
                let forwarded = try await caller.ssh(
                    runner, "true",
                    options: ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"])
                #expect(forwarded.termination == .exited(255))
                // The work folder takes files, and the exit status of a command comes back.
                #expect(
                    try await caller.ssh(runner, "cd \(runner.workDir) && echo x > f && exit 7").termination
                        == .exited(7))
                #expect(try await caller.ssh(runner, "command -v buildctl").outputText == "\(own)/bin/buildctl\n")
            }
        }
    }

    @Test(arguments: ["ecdsa", "rsa"]) func otherKeyTypesServe(_ type: String) async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder, type: type)
            try await withOrchestrator { orchestrator in
                let runner = try await orchestrator.readyRunner(caller.order())
                #expect(try await caller.ssh(runner, "true").termination == .exited(0))
            }
        }
    }

    @Test func destroyLeavesNothing() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator { orchestrator in
                let runner = try await orchestrator.readyRunner(caller.order())
                // What leaves its session and its group, what ignores signals, and a folder as deep as they come.
                let busy = """
                    cd \(runner.workDir) &&
                    (trap '' TERM HUP INT; setsid sh -c 'sleep 1000 & sleep 1001' </dev/null >/dev/null 2>&1 &) &&
                    i=0; while [ $i -lt 60 ]; do d=$(printf '%0200d' $i); mkdir $d && cd $d || exit 1; i=$((i + 1)); done
                    mkdir -p \(runner.workDir)/m && { [ $(id -u) != 0 ] || mount -t tmpfs none \(runner.workDir)/m; } &&
                    ln -s / link && ln -s \(folder.path) keep; echo "$LIAN_CGROUP"
                    """
                let result = try await caller.ssh(runner, busy)
                #expect(result.termination == .exited(0), "\(result.errorText)")
                #expect(try !orchestrator.remains().isEmpty)
                #expect(try await orchestrator.destroy(runner.id).status == 200)
                #expect(try await orchestrator.remainsInTheEnd().isEmpty)
                let group = result.outputText.trimmingCharacters(in: .whitespacesAndNewlines)
                #expect(group.isEmpty || !FileManager.default.fileExists(atPath: group))
                let hierarchies = (try? FileManager.default.contentsOfDirectory(atPath: "/sys/fs/cgroup")) ?? []
                for hierarchy in hierarchies {
                    let path = "/sys/fs/cgroup/\(hierarchy)/lian-orchestrator/\(runner.id)"
                    #expect(!FileManager.default.fileExists(atPath: path))
                }
                #expect(FileManager.default.fileExists(atPath: folder.appending(path: "key").path))
            }
        }
    }

    @Test func aLeaseThatRunsOutEndsTheRunner() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator { orchestrator in
                let (runner, lease, asked) = try await orchestrator.forsakenRunner(of: caller)
                let gone = try await eventually {
                    try await orchestrator.request("GET", "/api/v1/runners/\(runner.id)").status == 404
                }
                #expect(gone)
                #expect(ContinuousClock.now - asked >= lease)
                #expect(try await eventually { try orchestrator.remains().isEmpty })
            }
        }
    }

    @Test func aRunnerWhoseServerDiesHasFailed() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator { orchestrator in
                let runner = try await orchestrator.readyRunner(caller.order())
                try await orchestrator.killProcess("sshd", of: runner.id)
                let failed = try await eventually {
                    let answer = try await orchestrator.request("GET", "/api/v1/runners/\(runner.id)")
                    return answer.json["data"]?["state"] == "failed"
                }
                #expect(failed)
                #expect(try await eventually { try orchestrator.remains().isEmpty })
            }
        }
    }
}
