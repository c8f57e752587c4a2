import Foundation
import LianSystem
import LianTestSupport

/// The example of examples/plugin, built by its own instructions, once for all tests.
enum ExamplePlugin {
    static let folder = Project.root.appending(path: "examples/plugin")

    static func library() async throws -> URL { try await built.value }

    private static let built = Task {
        // Beside what was built for the tests: a second run finds it built.
        let scratch = Project.root.appending(path: ".build/example-plugin")
        let command = Command(
            try Project.tool("swift"),
            [
                "build", "-c", "release", "-Xswiftc", "-static-stdlib", "--package-path", folder.path,
                "--scratch-path", scratch.path,
            ],
            environment: ProcessInfo.processInfo.environment)
        let result = try await run(command, deadline: .seconds(1200))
        guard result.termination.isSuccess else { throw NotBuilt(reason: result.outputText + result.errorText) }
        return scratch.appending(path: "release/libswift-demo.so")
    }

    struct NotBuilt: Error {
        let reason: String
    }
}
