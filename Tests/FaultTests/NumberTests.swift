import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 67: numbers that a runner, an engine, an orchestrator or a file makes up. None of them ends the program.
    @Suite struct NumberTests {
        @Test(
            "row 67: a step that took longer than there is time",
            arguments: ["1e300", "inf", "nan", "-1", "9223372036854775807"], [false, true])
        func stepTime(seconds: String, isShown: Bool) async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine("echo '#1 [1/1] COPY . /'; echo '#1 DONE \(seconds)s'; succeed")
                let terminal = isShown ? try PseudoTerminal(columns: 100, height: 24) : nil
                defer { terminal?.close() }
                let report = scene.folder.appending(path: "report.html").path
                let running = try scene.start(
                    ["--report", report], environment: ["TERM": "xterm-256color"], on: terminal)
                let build = try await scene.finish(running)
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.artifact["steps"]?["total"] == 1 && build.isRunnerDestroyed == true)
            }
        }

        @Test(
            "row 67: a frame around a line that no file has",
            arguments: ["-9223372036854775808", "9223372036854775807", "0", "99999999999999999999"])
        func line(number: String) async throws {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(
                    """
                    echo '#1 [1/1] RUN make'
                    echo '#1 ERROR: process "make" did not complete successfully: exit code: 3'
                    echo 'Dockerfile:1'
                    echo '--------------------'
                    echo '\(number) | >>> x'
                    echo '--------------------'
                    echo 'error: failed to solve: process "make" did not complete successfully: exit code: 3'
                    exit 1
                    """)
                let build = try await scene.build()
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build.isRunnerDestroyed == true)
            }
        }

        @Test(
            "row 67: a result of fewer bytes than none, and of more than there are",
            arguments: ["-5", "-9223372036854775808", "9223372036854775807", "99999999999999999999", "nan"])
        func resultSize(size: String) async throws {
            try await withRunner { scene, runner, _ in
                // As the runner counts its result, and nothing else.
                try runner.setProgram(
                    "wc",
                    """
                    case $(readlink /proc/self/fd/0) in */result) echo '\(size)' ;; *) exec /usr/bin/wc "$@" ;; esac
                    """)
                let build = try await scene.build()
                #expect(build.status == 4 && build.errorCode == "remote_failed", "\(build.story)")
                #expect(build.isRunnerDestroyed == true)
            }
        }

        @Test("row 67: a kernel that counts beyond all numbers") func kernelCounts() async throws {
            try await withCgroup { cgroup in
                try cgroup.write("memory.events", "oom_kill -9223372036854775808\n")
                try await withRunner(cgroup.options) { scene, runner, _ in
                    try runner.setEngine(
                        """
                        echo 'oom_kill 9223372036854775807' >'\(cgroup.folder.path)/memory.events'
                        echo 'error: failed to solve: it'
                        exit 1
                        """)
                    let build = try await scene.build()
                    #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                    #expect(build.isRunnerDestroyed == true)
                }
            }
        }

        @Test("row 67: samples that are no numbers, on a terminal") func samples() async throws {
            try await withCgroup { cgroup in
                try cgroup.write("cpu.stat", "usage_usec nan\n")
                try await withRunner(cgroup.options) { scene, runner, _ in
                    let (slept, go) = (scene.folder.appending(path: "slept"), scene.folder.appending(path: "go"))
                    // The wrapper sleeps a second between two samples.
                    try runner.setProgram(
                        "sleep", "[ \"$1\" != 1 ] || echo >>'\(slept.path)'\nexec /usr/bin/sleep \"$@\"")
                    try runner.setEngine(
                        """
                        echo '#1 [1/1] COPY . /'
                        while [ ! -e '\(go.path)' ]; do /usr/bin/sleep 0.1; done
                        succeed
                        """)
                    let terminal = try PseudoTerminal(columns: 100, height: 24)
                    defer { terminal.close() }
                    let running = try scene.start(environment: ["TERM": "xterm-256color"], on: terminal)
                    let sampled = await eventually {
                        ((try? Data(contentsOf: slept))?.count ?? 0) >= 4 || !running.isRunning
                    }
                    try #require(sampled)
                    // What is right again is shown again.
                    try cgroup.write("cpu.stat", "usage_usec 5000000\n")
                    try await running.says("mem ")
                    try Data().write(to: go)
                    let build = try await scene.finish(running)
                    #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                    #expect(build["usage"]["memory_mb_peak"] == 600, "\(build.output)")
                }
            }
        }

        @Test("row 67: sparse files as large as files can be") func sparseFiles() async throws {
            try await withTemporaryFolder(inMemory: true) { folder in
                try await withScene { scene in
                    let context = folder.appending(path: "context").path
                    try makeFolder(context, mode: 0o755)
                    try writeFile("\(context)/Dockerfile", "FROM scratch\n")
                    for name in ["a", "b", "c"] {
                        try writeFile("\(context)/\(name)", "")
                        try #require(truncate("\(context)/\(name)", .max) == 0)
                    }
                    let build = try await scene.build(context: context, ["--dry-run"])
                    #expect(build.status == 0 && build["status"] == "planned", "\(build.story)")
                    #expect(build["context"]["files"] == 4 && build["context"]["bytes"] == .integer(.max))
                }
            }
        }

        @Test("row 67: a Retry-After on a day that no calendar has") func retryAfter() async throws {
            try await withScene { scene in
                let date = "Sun, 9223372036854775807 Nov 9223372036854775807 08:49:37 GMT"
                scene.orchestrator.script(
                    .spawn,
                    [.fault(.failure(429, code: "capacity", message: "full", headers: ["Retry-After": date]))])
                let build = try await scene.build(["--spawn-timeout", "3"])
                #expect(build.status == 3 && build.errorCode == "no_capacity", "\(build.story)")
            }
        }

        /// What the runner takes for its cgroup, version 2.
        private struct Cgroup {
            let folder: URL

            var options: SSHServerOptions { SSHServerOptions(environment: ["LIAN_CGROUP": folder.path]) }

            func write(_ name: String, _ text: String) throws {
                try Data(text.utf8).write(to: folder.appending(path: name), options: .atomic)
            }
        }

        private func withCgroup(_ body: (Cgroup) async throws -> Void) async throws {
            try await withTemporaryFolder { folder in
                let cgroup = Cgroup(folder: folder)
                try cgroup.write("memory.events", "oom_kill 0\n")
                try cgroup.write("memory.current", "734003200\n")
                try cgroup.write("memory.stat", "inactive_file 104857600\n")
                try cgroup.write("cpu.stat", "usage_usec 0\n")
                try await body(cgroup)
            }
        }
    }
}
