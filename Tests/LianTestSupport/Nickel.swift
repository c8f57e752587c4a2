import Foundation
import LianModel
import LianSystem

/// What `nickel export` answered.
package struct NickelAnswer: Sendable {
    /// The JSON that was printed; nil where the document was refused.
    package let value: JSONValue?
    package let diagnostic: String

    /// It is the document that is wrong, not the schema nor the way it was asked.
    package var isVerdict: Bool {
        diagnostic.hasPrefix("error: contract broken by") || diagnostic.hasPrefix("error: missing definition for")
    }
}

/// `nickel export` with the project's schemas and defaults on its import path.
package func nickelExport(_ file: URL) async throws -> NickelAnswer {
    let command = Command(
        try Project.tool("nickel"),
        [
            "export", "--format", "json", "--import-path", Project.root.appending(path: "schemas").path,
            "--import-path", Project.root.appending(path: "defaults").path, "--import-path", Project.root.path,
            file.path,
        ],
        environment: ["PATH": "/usr/bin:/bin"])
    let result = try await run(command, deadline: .seconds(300))
    guard result.termination.isSuccess else { return NickelAnswer(value: .none, diagnostic: result.errorText) }
    return NickelAnswer(value: try JSONValue.parse(result.output), diagnostic: result.errorText)
}

/// The same for text, in a file of its own in that folder.
package func nickelExport(_ text: String, named name: String, in folder: URL) async throws -> NickelAnswer {
    let file = folder.appending(path: name)
    try Data(text.utf8).write(to: file)
    return try await nickelExport(file)
}

/// The answers for many inputs, in their order, with as many children at a time as there are processors.
package func concurrently<Input: Sendable, Output: Sendable>(
    _ inputs: [Input], _ body: @escaping @Sendable (Int, Input) async throws -> Output
) async throws -> [Output] {
    try await withThrowingTaskGroup(of: (Int, Output).self) { group in
        var waiting = inputs.enumerated().makeIterator()
        func startNext() {
            guard let (index, input) = waiting.next() else { return }
            group.addTask { (index, try await body(index, input)) }
        }
        for _ in 0..<ProcessInfo.processInfo.activeProcessorCount { startNext() }
        var outputs: [Int: Output] = [:]
        for try await (index, output) in group {
            outputs[index] = output
            startNext()
        }
        return inputs.indices.compactMap { outputs[$0] }
    }
}
