import LianBuild
import LianModel
import Synchronization

/// The forms of stderr.
package enum ProgressForm: String, CaseIterable, Sendable {
    case auto, tty, plain, json, quiet
}

package func makeReporter(_ form: ProgressForm, to stderr: StandardError) -> any BuildReporter {
    switch form {
    case .auto, .tty, .plain: PlainReporter(stderr)
    case .json: JSONReporter(stderr)
    case .quiet: QuietReporter()
    }
}

/// One stamped line per fact; the engine's log as it comes.
private final class PlainReporter: BuildReporter {
    private let stderr: StandardError
    private let start = ContinuousClock.now
    /// Whether the log's last byte ended a line: a fact never starts in the middle of one.
    private let atLineStart = Mutex(true)

    init(_ stderr: StandardError) {
        self.stderr = stderr
    }

    func report(_ event: ProgressEvent) {
        switch event {
        case .started(let phase, let text): fact("\(phase.rawValue): \(text)")
        case .finished(let phase, let text): fact("\(phase.rawValue): \(text)")
        case .note(let text): fact(text)
        case .warning(let warning): fact("warning[\(warning.code)]: \(warning.message)")
        case .log(let bytes):
            guard let last = bytes.last else { return }
            atLineStart.withLock {
                stderr.write(bytes)
                $0 = last == UInt8(ascii: "\n")
            }
        }
    }

    private func fact(_ text: String) {
        // It may name a file of any name: nothing in it moves a terminal's cursor.
        let line = onOneLine(text, limit: 10_000)
        atLineStart.withLock { fresh in
            stderr.write(Array("\(fresh ? "" : "\n")[\(elapsed())] \(line)\n".utf8))
            fresh = true
        }
    }

    /// Seconds and tenths since the start, in a column of its own.
    private func elapsed() -> String {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        let text = "\(seconds).\(attoseconds / 100_000_000_000_000_000)s"
        return String(repeating: " ", count: max(0, 7 - text.count)) + text
    }
}

/// One object a line.
private struct JSONReporter: BuildReporter {
    let stderr: StandardError

    init(_ stderr: StandardError) {
        self.stderr = stderr
    }

    func report(_ event: ProgressEvent) {
        let value: JSONValue =
            switch event {
            case .started(let phase, let text):
                ["event": "started", "phase": .string(phase.rawValue), "message": .string(text)]
            case .finished(let phase, let text):
                ["event": "finished", "phase": .string(phase.rawValue), "message": .string(text)]
            case .note(let text): ["event": "note", "message": .string(text)]
            case .warning(let warning):
                ["event": "warning", "code": .string(warning.code), "message": .string(warning.message)]
            case .log(let bytes): ["event": "log", "data": .string(String(decoding: bytes, as: UTF8.self))]
            }
        stderr.line(value.encoded())
    }
}

/// Errors only, and those are printed at the end.
private struct QuietReporter: BuildReporter {
    func report(_ event: ProgressEvent) {}
}
