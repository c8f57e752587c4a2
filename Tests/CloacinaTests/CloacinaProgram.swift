import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// One run of the real program.
struct CloacinaRun: Sendable {
    let status: Int32
    let output: String
    let errors: String

    /// The one line of stdout; null where there is not exactly one line, or no JSON on it.
    var envelope: JSONValue {
        guard output.hasSuffix("\n"), output.split(separator: "\n", omittingEmptySubsequences: false).count == 2
        else { return .null }
        return (try? JSONValue.parse(output)) ?? .null
    }

    var code: String? { envelope["error"]?["code"]?.stringValue }

    var warnings: [String] { (envelope["warnings"]?.arrayValue ?? []).compactMap { $0["code"]?.stringValue } }
}

/// A folder of a test's own in which the program runs, with nothing of the machine's configuration.
struct CloacinaFolder: Sendable {
    let url: URL
    /// Every envelope that was printed here.
    let envelopes = Guarded<[JSONValue]>([])

    var environment: [String: String] {
        ["PATH": "/usr/bin:/bin", "HOME": url.path, "TMPDIR": url.appending(path: "tmp").path]
    }

    func path(_ name: String) -> String { url.appending(path: name).path }

    func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = url.appending(path: name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }

    func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: url.appending(path: name))) }

    func run(
        _ arguments: [String], environment extra: [String: String] = [:], in folder: String = "."
    ) async throws -> CloacinaRun {
        try await run(Project.executable("lian-cloacina"), arguments, environment: extra, in: folder)
    }

    func run(
        _ program: String, _ arguments: [String], environment extra: [String: String] = [:], in folder: String = "."
    ) async throws -> CloacinaRun {
        let result = try await LianSystem.run(
            Command(
                program, arguments, environment: environment.merging(extra) { $1 }, workingDirectory: path(folder)),
            deadline: .seconds(300))
        guard case .exited(let status) = result.termination else {
            Issue.record("ended by \(result.termination): \(result.errorText)")
            return CloacinaRun(status: -1, output: result.outputText, errors: result.errorText)
        }
        let run = CloacinaRun(status: status, output: result.outputText, errors: result.errorText)
        if run.envelope != .null { envelopes.update { $0.append(run.envelope) } }
        return run
    }

    func shell(_ command: String) async throws {
        let result = try await LianSystem.run(
            Command("/bin/sh", ["-c", command], environment: environment, workingDirectory: url.path),
            deadline: .seconds(300))
        #expect(result.termination.isSuccess, "\(result.errorText)")
    }

    /// What a Python script prints, with the arguments given. It is the oracle of many of these tests.
    func python(_ script: String, _ arguments: [String] = []) async throws -> String {
        let result = try await LianSystem.run(
            Command(
                "/usr/bin/python3", ["-c", script] + arguments, environment: environment, workingDirectory: url.path),
            deadline: .seconds(300), outputLimit: 64 << 20)
        #expect(result.termination.isSuccess, "\(result.errorText)")
        return result.outputText
    }
}

/// At the end, the schema has to accept every envelope.
func withCloacinaFolder<Result>(_ body: (CloacinaFolder) async throws -> Result) async throws -> Result {
    try await withTemporaryFolder { url in
        let folder = CloacinaFolder(url: url.resolvingSymlinksInPath())
        try FileManager.default.createDirectory(
            at: folder.url.appending(path: "tmp"), withIntermediateDirectories: true)
        let result = try await body(folder)
        if (try? Project.tool("nickel")) != nil, !folder.envelopes.value.isEmpty {
            try await expectAccepted(folder.envelopes.value, by: "CloacinaResult", of: "cloacina_result.ncl")
        }
        return result
    }
}

extension Project {
    static var python: String? { python(with: "cloacina-client==0.12.0") }
}
