import Foundation
import LianModel
import LianSystem

/// A `lian-build build` on its way.
package final class RunningBuild: Sendable {
    private let process: RunningProcess
    private let errorFile: URL
    private let terminal: PseudoTerminal?
    private let takeEnvelope: @Sendable (JSONValue) -> Void
    private let start = ContinuousClock.now

    /// What it prints goes to files of the folder; what is for people to the terminal, where there is one.
    package init(
        _ command: Command, folder: URL, terminal: PseudoTerminal? = nil,
        takeEnvelope: @escaping @Sendable (JSONValue) -> Void
    ) throws {
        let name = UUID().uuidString
        let output = folder.appending(path: "\(name).out")
        errorFile = folder.appending(path: "\(name).err")
        self.terminal = terminal
        process =
            if let terminal {
                try RunningProcess(command, outputFile: output, terminal: terminal)
            } else {
                try RunningProcess(command, outputFile: output, errorFile: errorFile, newSession: true)
            }
        self.takeEnvelope = takeEnvelope
    }

    deinit { process.stop() }

    package var pid: pid_t { process.pid }
    package var isRunning: Bool { process.isRunning }
    package var output: String { process.output }
    package var errorText: String {
        terminal?.screen.text ?? (try? String(contentsOf: errorFile, encoding: .utf8)) ?? ""
    }

    package func signal(_ signal: Int32) { process.signal(signal) }

    /// Ends it at once, as kill -9 does. More than once does no harm.
    package func kill() { process.stop() }

    /// Waits until stderr holds the text.
    package func says(_ text: String, within limit: Duration = .seconds(120)) async throws {
        let said = await eventually(within: limit) { errorText.contains(text) || !process.isRunning }
        guard said, errorText.contains(text) else { throw FixtureError("'\(text)' was never said: \(errorText)") }
    }

    /// Its end, with the one line that it printed.
    package func finished(within limit: Duration = .seconds(120)) async throws -> FinishedBuild {
        let end = await process.ended(within: limit)
        let duration = ContinuousClock.now - start
        guard case .exited(let status) = end else {
            process.stop()
            throw FixtureError("lian-build ended as \(end.map { "\($0)" } ?? "never"): \(errorText)")
        }
        let output = process.output
        guard output.hasSuffix("\n"), output.split(separator: "\n", omittingEmptySubsequences: false).count == 2 else {
            throw FixtureError("stdout is not one line: \(output)\n\(errorText)")
        }
        let envelope = try JSONValue.parse(Array(output.utf8))
        takeEnvelope(envelope)
        return FinishedBuild(
            status: status, envelope: envelope, errorText: errorText, output: output, duration: duration)
    }
}

package struct FinishedBuild: Sendable {
    /// The exit status.
    package let status: Int32
    package let envelope: JSONValue
    package let errorText: String
    package let output: String
    /// From the start of the process to its end.
    package let duration: Duration

    package subscript(key: String) -> JSONValue { envelope[key] ?? .null }

    /// That stage's part of `timings_ms`; endless where it was never reached.
    package func milliseconds(of stage: String) -> Int { self["timings_ms"][stage]?.intValue ?? .max }

    package var artifacts: [JSONValue] { self["artifacts"].arrayValue ?? [] }
    package var attempts: [JSONValue] { self["attempts"].arrayValue ?? [] }
    package var artifact: JSONValue { artifacts.first ?? .null }
    package var digest: String? { artifact["digest"]?.stringValue }
    package var cachedSteps: Int? { artifact["steps"]?["cached"]?.intValue }
    package var errorCode: String? { self["error"]["code"]?.stringValue }
    package var phase: String? { self["error"]["phase"]?.stringValue }
    package var message: String { self["error"]["message"]?.stringValue ?? "" }
    package var hint: String { self["error"]["hint"]?.stringValue ?? "" }
    package var logTail: [String] { self["error"]["log_tail"]?.arrayValue?.compactMap(\.stringValue) ?? [] }
    package var warningCodes: [String] { self["warnings"].arrayValue?.compactMap { $0["code"]?.stringValue } ?? [] }
    package var runnerID: String? { self["runner"]["id"]?.stringValue }
    package var isRunnerDestroyed: Bool? { self["runner"]["destroyed"]?.boolValue }

    /// What it came to in a word, for an expectation's message.
    package var story: String { "\(output)\(errorText)" }
}

extension JSONValue {
    package subscript(key: String, or fallback: String) -> String { self[key]?.stringValue ?? fallback }
}
