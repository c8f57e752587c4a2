import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// A `lian-build build` on its way.
final class RunningBuild: Sendable {
    private let process: RunningProcess
    private let errorFile: URL
    private let takeEnvelope: @Sendable (JSONValue) -> Void

    init(_ command: Command, folder: URL, takeEnvelope: @escaping @Sendable (JSONValue) -> Void) throws {
        let name = UUID().uuidString
        errorFile = folder.appending(path: "\(name).err")
        process = try RunningProcess(command, outputFile: folder.appending(path: "\(name).out"), errorFile: errorFile)
        self.takeEnvelope = takeEnvelope
    }

    deinit { process.stop() }

    var pid: pid_t { process.pid }
    var errorText: String { (try? String(contentsOf: errorFile, encoding: .utf8)) ?? "" }

    func signal(_ signal: Int32) { process.signal(signal) }

    /// Waits until stderr holds the text.
    func says(_ text: String, within limit: Duration = .seconds(60)) async throws {
        let said = await eventually(within: limit) { errorText.contains(text) || !process.isRunning }
        try #require(said && errorText.contains(text), "'\(text)' was never said: \(errorText)")
    }

    /// Its end, with the one line that it printed.
    func finished(within limit: Duration = .seconds(120)) async throws -> FinishedBuild {
        let end = await process.ended(within: limit)
        guard case .exited(let status) = end else {
            process.stop()
            throw FixtureError("lian-build ended as \(end.map { "\($0)" } ?? "never"): \(errorText)")
        }
        let output = process.output
        #expect(output.hasSuffix("\n") && output.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
        let envelope = try JSONValue.parse(Array(output.utf8))
        takeEnvelope(envelope)
        return FinishedBuild(status: status, envelope: envelope, errorText: errorText, output: output)
    }
}

struct FinishedBuild: Sendable {
    /// The exit status.
    let status: Int32
    let envelope: JSONValue
    let errorText: String
    let output: String

    subscript(key: String) -> JSONValue { envelope[key] ?? .null }

    var artifacts: [JSONValue] { self["artifacts"].arrayValue ?? [] }
    var attempts: [JSONValue] { self["attempts"].arrayValue ?? [] }
    var artifact: JSONValue { artifacts.first ?? .null }
    var digest: String? { artifact["digest"]?.stringValue }
    var cachedSteps: Int? { artifact["steps"]?["cached"]?.intValue }
    var errorCode: String? { self["error"]["code"]?.stringValue }
    var hint: String { self["error"]["hint"]?.stringValue ?? "" }
    var logTail: [String] { self["error"]["log_tail"]?.arrayValue?.compactMap(\.stringValue) ?? [] }
    var warningCodes: [String] { self["warnings"].arrayValue?.compactMap { $0["code"]?.stringValue } ?? [] }
    var runnerID: String? { self["runner"]["id"]?.stringValue }
    var isRunnerDestroyed: Bool? { self["runner"]["destroyed"]?.boolValue }

    /// What it came to in a word, for an expectation's message.
    var story: String { "\(output)\(errorText)" }
}

extension JSONValue {
    subscript(key: String, or fallback: String) -> String { self[key]?.stringValue ?? fallback }
}
