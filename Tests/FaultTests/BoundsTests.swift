import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 69: input that has no end, or would be worked on without one.
    @Suite struct BoundsTests {
        @Test(
            "row 69: ignore rules that nobody could come to the end of",
            arguments: [("[^a]{1000}?", 5000), ("*a", 100_000), ("a", 400_000), ("#", 600_000)])
        func rules(line: String, count: Int) async throws {
            try await withScene { scene in
                let ignoreFile = String(repeating: line + "\n", count: count)
                let build = try await scene.build(context: scene.context([".dockerignore": ignoreFile]))
                #expect(build.status == 2 && build.errorCode == "ignore_file_invalid", "\(build.story)")
                #expect(!build.hint.isEmpty && scene.orchestrator.requests(.spawn).isEmpty)
            }
        }

        /// To BuildKit from v0.10 on it is a name; the ones before refuse it, and so it is not asked for them.
        @Test("row 69: an ignore rule whose repetitions multiply") func nestedRepetitions() async throws {
            try await withScene { scene in
                let context = try scene.context([".dockerignore": "((((){1000}){1000}){1000}){1000}"])
                let build = try await scene.build(context: context, ["--dry-run"])
                #expect(build.status == 0 && build["status"] == "planned", "\(build.story)")
            }
        }

        /// Rules that are allowed, and a tree in which they take minutes.
        @Test("row 69: a signal is heard while names are held against slow rules", arguments: [SIGTERM, SIGINT])
        func signalInTheWalk(signal: Int32) async throws {
            try await withScene { scene in
                let context = try scene.context([".dockerignore": String(repeating: "**/", count: 2000) + "x"])
                let deep = URL(filePath: context).appending(path: String(repeating: "aa/", count: 400))
                try FileManager.default.createDirectory(at: deep, withIntermediateDirectories: true)
                let running = try scene.start(context: context, ["--dry-run"])
                try await running.says("reading what to build")
                let start = ContinuousClock.now
                running.signal(signal)
                let build = try await scene.finish(running)
                #expect(build.status == 128 + signal && build.errorCode == "cancelled", "\(build.story)")
                #expect(ContinuousClock.now - start < scene.allowing(.seconds(15)))
            }
        }

        @Test("row 69: files that would be read without end", arguments: ["fifo", "/dev/zero"])
        func endlessFiles(name: String) async throws {
            try await withScene { scene in
                let file = name.hasPrefix("/") ? name : scene.folder.appending(path: name).path
                if !name.hasPrefix("/") { mkfifo(file, 0o600) }
                let cases = [
                    (["--known-hosts", file], "invalid_argument"), (["--ssh-key", file], "ssh_key_unusable"),
                    (["--secret", "id=endless,src=\(file)"], "credential_missing"),
                ]
                for (flags, code) in cases {
                    let build = try await scene.build(flags)
                    #expect(build.status == 2 && build.errorCode == code, "\(flags): \(build.story)")
                    #expect(build.message.contains("not a regular file"), "\(flags): \(build.story)")
                }
                #expect(scene.orchestrator.requests(.spawn).isEmpty)
            }
        }

        /// Its words are shown, on one line and no more of them than fit there.
        @Test(
            "row 81: an engine that goes on and on about what it cannot do",
            arguments: [
                ("error: engine_unsupported: ", "", "cannot do this: "),
                ("error: failed to solve: granting entitlement ", " is not allowed by build daemon", "was not given "),
            ])
        func endlessRefusal(before: String, after: String, said: String) async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine("printf '\(before)\\033[2J%01000d\(after)\\n' 0; exit 64")
                let build = try await scene.build()
                #expect(build.status == 2 && build.errorCode == "engine_unsupported", "\(build.message)")
                let zeros = String(repeating: "0", count: 296)
                #expect(build.message == "the runner's engine \(said) [2J\(zeros)…", "\(build.message)")
            }
        }

        /// In the place of the program that the first record waits for.
        @Test("row 81: a runner talks without end before its first record") func noFirstRecord() async throws {
            try await withRunner { scene, runner, _ in
                scene.allow {
                    $0.wallTime = .seconds(120)
                    $0.endsWithItsMachine = true
                }
                try runner.setProgram("setsid", "while :; do echo noise >&2 || exit 1; sleep 0.1; done")
                let build = try await scene.build()
                #expect(build.status == 4 && build.errorCode == "connection_lost", "\(build.story)")
                #expect(build.message.contains("nothing but noise"), "\(build.story)")
                #expect(build.isRunnerDestroyed == true)
            }
        }
    }
}
