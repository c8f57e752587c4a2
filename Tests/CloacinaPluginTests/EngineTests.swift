import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The example in Cloacina's own engine.
@Suite struct EngineTests {
    private static let engine = Project.root.appending(path: ".tools/cloaca")

    @Test(
        .enabled(
            if: FileManager.default.fileExists(atPath: engine.path),
            "it needs Cloacina's engine, which there is for x86_64: scripts/test fetches it"))
    func runsTheExample() async throws {
        let library = try await ExamplePlugin.library()
        try await withTemporaryFolder { folder in
            let command = Command(
                "/usr/bin/python3",
                [
                    "-B", Project.root.appending(path: "Tests/Fixtures/cloacina_engine.py").path, library.path,
                    "swift-demo", "swift_demo", #"{"x":1}"#,
                ],
                environment: ["PATH": "/usr/bin:/bin", "PYTHONPATH": Self.engine.path, "RUST_LOG": "warn"],
                workingDirectory: folder.path)
            let result = try await run(command, deadline: .seconds(600))
            try #require(result.termination.isSuccess, "\(result.termination): \(result.errorText)")
            let answer = try JSONValue.parse(result.output)
            let expected: JSONValue = [
                "status": "Completed", "context": ["x": 1, "hello": "world", "done": true], "error": nil,
                "crons": ["swift_demo"],
            ]
            #expect(answer == expected, "\(result.errorText)")
        }
    }

    /// Beside the system's libraries it needs none, and it hands out nothing but what an engine asks for.
    @Test func needsNoSwiftAndShowsOneName() async throws {
        let library = try await ExamplePlugin.library().path
        let shown = try await run(
            Command("/usr/bin/nm", ["-D", "--defined-only", "--extern-only", library], environment: [:]),
            deadline: .seconds(300))
        let names = shown.outputText.split(separator: "\n").map { $0.split(separator: " ").last }
        #expect(names == ["fidius_get_registry"])
        let needed = try await run(
            Command("/usr/bin/readelf", ["-d", library], environment: [:]), deadline: .seconds(300))
        #expect(needed.outputText.contains("libc.so.6"))
        #expect(!needed.outputText.contains("libswift"))
    }
}
