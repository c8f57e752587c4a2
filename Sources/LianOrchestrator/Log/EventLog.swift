import Glibc
import LianModel
import LianSystem

/// What happens, one event a line: a JSON object for programs, or a readable line for people.
package struct EventLog: Sendable {
    package typealias Form = OrchestratorConfig.LogForm
    private enum Level: String, Sendable { case info, warning, error }

    private let form: Form
    private let write: @Sendable (String) -> Void

    package init(_ form: Form, write: @escaping @Sendable (String) -> Void) {
        self.form = form
        self.write = write
    }

    package static func toStandardError(_ form: Form) -> EventLog {
        EventLog(form) { line in
            // Each line is written with one call, so that lines of several threads do not mix.
            var bytes = Array(line.utf8)
            bytes.append(UInt8(ascii: "\n"))
            _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
        }
    }

    package func info(_ event: String, _ message: String, _ fields: [String: JSONValue] = [:]) {
        line(.info, event, message, fields)
    }

    package func warning(_ event: String, _ message: String, _ fields: [String: JSONValue] = [:]) {
        line(.warning, event, message, fields)
    }

    package func error(_ event: String, _ message: String, _ fields: [String: JSONValue] = [:]) {
        line(.error, event, message, fields)
    }

    private func line(_ level: Level, _ event: String, _ message: String, _ fields: [String: JSONValue]) {
        let time = UTCTime(milliseconds: Timing.system.wallClock()).rfc3339
        switch form {
        case .json:
            var members = fields
            members["time"] = .string(time)
            members["level"] = .string(level.rawValue)
            members["event"] = .string(event)
            members["message"] = .string(message)
            write(JSONValue.object(members).encoded())
        case .text:
            let told = fields.keys.sorted().map { " \($0)=\(fields[$0]?.stringValue ?? fields[$0]?.encoded() ?? "")" }
            write("\(time) \(level.rawValue): \(onOneLine(message + told.joined(), limit: 4000))")
        }
    }
}
