import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Rows 16 and 17: the context is on its way to the runner.
    @Suite struct SyncTests {
        /// What the wrapper needs on a runner, rsync left out.
        private static let wrapperPrograms = [
            "sh", "dd", "mkdir", "cat", "sleep", "tail", "mkfifo", "setsid", "stat", "mktemp", "id", "rm", "ln", "wc",
            "readlink", "echo",
        ]

        @Test("row 16: rsync is missing on this machine: before any spawn") func missingHere() async throws {
            try await withScene { scene in
                let build = try await scene.build(environment: ["PATH": "/nonexistent"])
                #expect(build.status == 4 && build.errorCode == "rsync_missing", "\(build.story)")
                #expect(build.message.contains("this machine") && build.hint.contains("apt-get install rsync"))
                #expect(scene.orchestrator.requests(.spawn).isEmpty)
            }
        }

        @Test("row 16: rsync is missing on the runner") func missingThere() async throws {
            try await withRunner(programs: Self.wrapperPrograms) { scene, _, _ in
                let build = try await scene.build()
                #expect(build.status == 4 && build.errorCode == "rsync_missing", "\(build.story)")
                #expect(build.message.contains("the runner") && build.isRunnerDestroyed == true)
            }
        }

        @Test("row 16: rsync exits with 12, 23 or 24 on this machine", arguments: [12, 23, 24])
        func exitsHere(_ status: Int) async throws {
            try await withRunner { scene, _, _ in
                let programs = scene.folder.appending(path: "programs")
                try FileManager.default.createDirectory(at: programs, withIntermediateDirectories: true)
                try writeScript("echo 'rsync: what it says' >&2\nexit \(status)", to: programs.appending(path: "rsync"))
                let path = "\(programs.path):\(scene.environment()["PATH"] ?? "")"
                let build = try await scene.build(environment: ["PATH": path])
                expectFailedSync(build)
                #expect(build.message.contains("\(status)") && build.logTail.contains("rsync: what it says"))
            }
        }

        @Test("row 16: rsync exits with 12 or 23 on the runner", arguments: [12, 23])
        func exitsThere(_ status: Int) async throws {
            try await withRunner { scene, runner, _ in
                try runner.setProgram("rsync", "echo 'rsync: what it says' >&2\nexit \(status)")
                let build = try await scene.build()
                expectFailedSync(build)
                #expect(build.logTail.contains { $0.contains("rsync: what it says") }, "\(build.story)")
            }
        }

        @Test("row 16: rsync is killed on this machine, or on the runner, in the middle", arguments: [true, false])
        func killed(_ isHere: Bool) async throws {
            try await withSlowSync { scene, runner, running in
                for pid in rsyncs(isHere, scene, runner) { kill(pid, SIGKILL) }
                expectFailedSync(try await scene.finish(running))
            }
        }

        @Test("row 16: rsync stalls on this machine, or on the runner", arguments: [true, false])
        func stalled(_ isHere: Bool) async throws {
            try await withSlowSync { scene, runner, running in
                scene.allow { $0.endsWithItsMachine = true }
                for pid in rsyncs(isHere, scene, runner) { kill(pid, SIGSTOP) }
                let build = try await scene.finish(running)
                expectFailedSync(build)
                #expect(build.message.contains("60 s"), "\(build.story)")
            }
        }

        private func expectFailedSync(_ build: FinishedBuild) {
            #expect(build.status == 4 && build.errorCode == "context_sync_failed", "\(build.story)")
            #expect(build.phase == "sync" && build.isRunnerDestroyed == true && !build.hint.isEmpty)
            #expect(build.artifact["status"] == .null && build.digest == nil)
        }

        /// A context that takes half a minute to be sent, of which some has arrived.
        private func withSlowSync(
            _ body: @Sendable (FaultScene, ScriptedRunner, RunningBuild) async throws -> Void
        ) async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                let context = try scene.context()
                try scene.makeNoise(in: context)
                proxy.setLimit(256 << 10)
                let running = try scene.start(context: context)
                try #require(await eventually { proxy.bytesToServer > 512 << 10 }, "\(running.errorText)")
                try await body(scene, runner, running)
            }
        }

        private func rsyncs(_ isHere: Bool, _ scene: FaultScene, _ runner: ScriptedRunner) -> [pid_t] {
            let all = isHere ? processes(holding: scene.folder.path, in: "environ") : runner.server.startedPIDs()
            let found = all.filter { commandLine(of: $0).hasPrefix("\(isHere ? "/usr/bin/" : "")rsync ") }
            #expect(!found.isEmpty, "\(all.map(commandLine))")
            return found
        }

        @Test("row 17: names with newlines, $(), leading dashes, UTF-8 and links arrive intact, nothing is executed")
        func oddNames() async throws {
            try await withRunner { scene, runner, _ in
                let marker = scene.folder.appending(path: "executed").path
                let context = URL(filePath: try scene.context())
                let names = [
                    "line\nbreak", "$(touch \(marker.split(separator: "/").last ?? ""))", "`touch executed`", "-rf",
                    "--delete", "; touch executed;", "a b  c", "tab\there", "quote\"'", "back\\slash", "ünïcode ☃",
                    "*", "?[a]", "#comment", "!not", "~", "%41", "deep/$(id)/\n/-x", "é",
                ]
                for name in names {
                    let file = context.appending(path: name)
                    try FileManager.default.createDirectory(
                        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                    try Data("what is in \(name)".utf8).write(to: file)
                }
                // Bytes that are no UTF-8, which Foundation would not write.
                try await runTool("/bin/sh", ["-c", #"cd "$0" && printf x > "$(printf 'latin\351')""#, context.path])
                for (link, target) in [
                    ("link", "a b  c"), ("dangling", "no such"), ("outward", "/etc/hostname"), ("up", "../.."),
                    ("-link", "-rf"),
                ] {
                    try FileManager.default.createSymbolicLink(
                        atPath: context.appending(path: link).path, withDestinationPath: target)
                }
                // Just below the longest path that a system call takes, on the runner as well.
                let room = 4095 - max(runner.workDir.utf8.count + "/context".utf8.count, context.path.utf8.count)
                try makeDeepFile(below: context.path, pathLength: room - 16)
                let build = try await scene.build(context: context.path)
                try #require(build.status == 0, "\(build.story)")

                let arrived = try FileManager.default.contentsOfDirectory(atPath: runner.workDir)
                    .map { "\(runner.workDir)/\($0)" }.first {
                        FileManager.default.fileExists(atPath: "\($0)/Dockerfile")
                    }
                let differences = try await run(
                    Command(
                        "/usr/bin/rsync",
                        ["-rlptcni", "--delete", "\(context.path)/", "\(try #require(arrived))/"], environment: [:]),
                    deadline: .seconds(30))
                // The root's own mode stays behind.
                let differing = differences.outputText.split(separator: "\n").filter { !$0.hasSuffix(" ./") }
                #expect(differences.termination.isSuccess && differing == [], "\(differences)")
                for folder in [scene.folder.path, runner.workDir, runner.server.folder.path] {
                    let found = try await runTool("/usr/bin/find", [folder, "-name", "executed"])
                    #expect(found == "")
                }
            }
        }

        @Test("row 17: a longer path is path_too_long, before any spawn") func longPath() async throws {
            try await withScene { scene in
                let context = try scene.context()
                try makeDeepFile(below: context, pathLength: 4200)
                let build = try await scene.build(context: context)
                // No call takes the whole path, so it is removed by who goes there step by step.
                try await runTool("/bin/rm", ["-rf", context])
                #expect(build.status == 2 && build.errorCode == "path_too_long", "\(build.story)")
                #expect(build.phase == "resolve" && scene.orchestrator.requests(.spawn).isEmpty)
            }
        }

        /// Made step by step: the whole path from the root may be longer than a call takes.
        private func makeDeepFile(below folder: String, pathLength: Int) throws {
            var directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            var left = pathLength
            while left > 250 {
                let name = String(repeating: "d", count: 200)
                try #require(mkdirat(directory, name, 0o755) == 0)
                let next = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                close(directory)
                directory = next
                left -= 201
            }
            let file = openat(
                directory, String(repeating: "f", count: max(1, left - 1)), O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
            try #require(file >= 0, "\(errno)")
            close(file)
            close(directory)
        }
    }
}
