import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 35: nowhere to write to. Whatever cannot be told or kept, the runner goes.
    @Suite struct OutputTests {
        @Test(
            "row 35: stdout cannot be written", arguments: [">&-", ">/dev/full", "| { exec <&-; : >reader-is-gone; }"])
        func stdoutUnwritable(redirection: String) async throws {
            try await withRunner { scene, runner, _ in
                // The reader of the pipe is gone before the envelope comes.
                let gone = scene.folder.appending(path: "reader-is-gone").path
                let wait = redirection.hasPrefix("|") ? "while [ ! -e '\(gone)' ]; do sleep 0.05; done" : ":"
                try runner.setEngine("\(wait)\n\(ScriptedRunner.success)")
                let result = try await shell("{ build; echo \"exit $?\" >&2; } \(redirection)", scene)
                #expect(result.errorText.hasSuffix("\nexit 70\n"), "\(result.errorText)")
                #expect(result.errorText.contains("error[output_unwritable]"))
                #expect(result.outputText == "")
                #expect(scene.orchestrator.runners.count == 1)
            }
        }

        @Test("row 35: stderr cannot be written", arguments: ["2>&-", "2>/dev/full"])
        func stderrUnwritable(redirection: String) async throws {
            try await withRunner { scene, _, _ in
                let result = try await shell("build \(redirection)", scene)
                #expect(result.termination == .exited(0))
                let envelope = try JSONValue.parse(result.output)
                #expect(envelope["status"] == "succeeded", "\(result.outputText)")
                #expect(envelope["artifacts"]?[0]?["digest"]?.stringValue == ScriptedRunner.digest)
            }
        }

        /// A pipe whose reader stands still. What it misses costs the build nothing; a signal, and the heartbeats that
        /// keep the runner, get through.
        @Test("row 35: nobody reads stderr", arguments: [nil, SIGTERM]) func stderrUnread(signal: Int32?) async throws {
            try await withRunner(waiting: true) { scene, runner, _ in
                let full = scene.folder.appending(path: "full").path
                try #require(mkfifo(full, 0o600) == 0)
                let pipe = FileDescriptor(owning: open(full, O_RDWR | O_NONBLOCK | O_CLOEXEC))
                try #require(pipe.raw >= 0)
                let line = "#1 0.1 " + String(repeating: "and so on ", count: 100)
                let end = signal == nil ? ScriptedRunner.success : "sleep 600"
                try runner.setEngine("yes '\(line)' | head -c 3000000; echo\n\(end)")
                let running = try scene.start(
                    Command(
                        "/bin/sh",
                        [
                            "-c", "exec \"$0\" \"$@\" 2>full", Project.executable("lian-build"), "build", "--workspace",
                            scene.workspace, "--context", try scene.context(), "--image", scene.image, "--progress",
                            "plain",
                        ], environment: scene.environment(), workingDirectory: scene.folder.path))
                if let signal {
                    #expect(await eventually { unread(in: pipe.raw) >= 60_000 })
                    let before = scene.orchestrator.requests(.heartbeat).count
                    #expect(await eventually { scene.orchestrator.requests(.heartbeat).count > before })
                    running.signal(signal)
                }
                let build = try await scene.finish(running)
                #expect(build.status == signal.map { 128 + $0 } ?? 0, "\(build.story)")
                #expect(build.isRunnerDestroyed == true)
            }
        }

        private func unread(in pipe: Int32) -> Int {
            var count: Int32 = 0
            return ioctl(pipe, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
        }

        /// Runs a line of sh in which `build` is the build of a context. The shell reads the caller's variables, which
        /// hold its secrets, from a pipe: in its environment others could see them.
        private func shell(_ line: String, _ scene: FaultScene) async throws -> SubprocessResult {
            let arguments = [
                Project.executable("lian-build"), "build", "--workspace", scene.workspace, "--context",
                try scene.context(), "--image", scene.image, "--secret", "id=planted,env=PLANTED",
            ]
            let script = """
                \(scene.environment().map { "export \($0.key)=\(shellQuoted($0.value))" }.joined(separator: "\n"))
                build() { \(arguments.map(shellQuoted).joined(separator: " ")) </dev/null; }
                \(line)

                """
            return try await run(
                Command("/bin/sh", [], environment: [:], workingDirectory: scene.folder.path),
                input: .bytes(Array(script.utf8)), deadline: .seconds(120))
        }

        @Test("row 35: the metadata file's disk is full") func metadataDiskFull() async throws {
            try await withRunner { scene, _, _ in
                let build = try await scene.build(["--metadata-file", "/dev/full"])
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.warningCodes == ["metadata_not_written"])
            }
        }

        @Test("row 35: the caller's disk is full", .needsRoot) func callersDiskFull() async throws {
            try await withRunner { scene, _, _ in
                try await withSmallDisk(at: scene.folder.appending(path: "small").path) { disk in
                    fill(disk)
                    let build = try await scene.build(environment: ["TMPDIR": disk])
                    #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                }
            }
        }

        @Test("row 35: the runner's disk is full before the context is there", .needsRoot)
        func runnersDiskTooSmall() async throws {
            try await withRunner { scene, runner, _ in
                try await withSmallDisk(at: runner.workDir) { _ in
                    let context = try scene.context()
                    let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
                    try random.read(upToCount: 4 << 20)?.write(to: URL(filePath: "\(context)/noise"))
                    let build = try await scene.build(context: context)
                    #expect(build.status == 5 && build.errorCode == "disk_full", "\(build.story)")
                    #expect(build.phase == "sync" && build.isRunnerDestroyed == true)
                    #expect(build.attempts.map { $0["disk_full"] } == ["context"])
                }
            }
        }

        /// Then the runner can keep neither the log, nor the metadata, nor how the build ended.
        @Test("row 35: the runner's disk is full in mid-build", .needsRoot) func runnersDiskFills() async throws {
            try await withRunner { scene, runner, _ in
                try await withSmallDisk(at: runner.workDir) { disk in
                    let (atWork, go) = (scene.folder.appending(path: "at-work"), scene.folder.appending(path: "go"))
                    try runner.setEngine(
                        """
                        : >'\(atWork.path)'
                        while [ ! -e '\(go.path)' ]; do sleep 0.05; done
                        dd if=/dev/zero of='\(disk)/all' bs=4096 2>/dev/null
                        \(ScriptedRunner.success)
                        """)
                    let running = try scene.start()
                    #expect(await eventually { FileManager.default.fileExists(atPath: atWork.path) })
                    // The other side of the sync is not waited for by the build, and frees what it held when it goes.
                    #expect(
                        await eventually {
                            !runner.server.startedPIDs().contains { commandLine(of: $0).contains("rsync") }
                        })
                    try Data().write(to: go)
                    let build = try await scene.finish(running)
                    #expect(build.status == 5 && build.errorCode == "disk_full", "\(build.story)")
                    #expect(build.digest == nil && build.isRunnerDestroyed == true)
                }
            }
        }
    }
}
