import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Paths that are near the longest that Linux opens.
@Suite struct PathLengthTests {
    /// By the work folder that runners have where nothing else is said: nothing is asked of the orchestrator.
    @Test(arguments: [(4095, true), (4096, false)])
    func belowTheUsualWorkFolder(length: Int, fits: Bool) async throws {
        try await withScriptedRunner { runner in
            try await withDeepFile(runner, length - "/build/context-0/".utf8.count) { context, _ in
                let build = try await runner.start(runner.flags(context) + (fits ? ["--dry-run"] : [])).finished()
                if fits {
                    #expect(build["status"] == "planned", "\(build.story)")
                } else {
                    expectTooLong(build, length)
                    #expect(build["error"]["phase"] == "resolve" && build["runner"] == .null)
                }
                #expect(runner.spawns == 0)
            }
        }
    }

    /// A runner may have a longer work folder than that.
    @Test(arguments: [(4095, true), (4096, false)])
    func belowTheRunnersOwn(length: Int, fits: Bool) async throws {
        try await withScriptedRunner { runner in
            let root = "\(runner.workFolder)/context-0"
            try await withDeepFile(runner, length - root.utf8.count - 1) { context, path in
                let build = try await runner.start(runner.flags(context)).finished()
                #expect(runner.spawns == 1 && build.isRunnerDestroyed == true)
                let arrived = FileManager.default.contents(atPath: "\(root)/\(path)")
                if fits {
                    #expect(build.status == 0, "\(build.story)")
                    #expect(arrived == Data("deep".utf8))
                } else {
                    expectTooLong(build, length)
                    #expect(build["error"]["phase"] == "sync" && build.attempts.count == 1)
                    #expect(arrived == nil)
                }
            }
        }
    }

    private func expectTooLong(_ build: FinishedBuild, _ length: Int) {
        #expect(build.status == 2 && build.errorCode == "path_too_long", "\(build.story)")
        let message = build["error"]["message"]?.stringValue ?? ""
        #expect(message.contains("\(length) bytes") && message.contains("/context-0/nnn"), "\(message)")
        #expect(message.contains("…") && message.utf8.count < 400, "\(message)")
    }

    /// A context with one file whose path in it has that many bytes. It may be out of reach of whoever starts at "/".
    private func withDeepFile(
        _ runner: ScriptedRunner, _ length: Int, _ body: (_ context: String, _ path: String) async throws -> Void
    ) async throws {
        let context = try runner.context()
        var folders = [String](repeating: String(repeating: "n", count: 199), count: length / 200)
        var leaf = length % 200
        if leaf == 0 {
            folders.removeLast()
            leaf = 200
        }
        var folder = open(context, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        for name in folders {
            try #require(mkdirat(folder, name, 0o755) == 0)
            let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            close(folder)
            folder = next
        }
        let name = String(repeating: "n", count: leaf)
        let file = FileDescriptor(owning: openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
        close(folder)
        try #require(write(file.raw, "deep", 4) == 4)
        let path = (folders + [name]).joined(separator: "/")
        try #require(path.utf8.count == length)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(context, path))
        } catch {
            result = .failure(error)
        }
        try await runTool("/bin/rm", ["-rf", context, "\(runner.workFolder)/context-0"])
        try result.get()
    }
}
