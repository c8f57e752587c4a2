/// The one error of the product: what happened, where in the walk, and what to do next.
package struct LianError: Error, Equatable, Sendable {
    package let code: ErrorCode
    package let phase: Phase
    package let message: String
    /// What to do next, as whole sentences; a command to copy may end it without a full stop.
    package let hint: String
    /// The last lines of the log that explain it.
    package var logTail: [String]
    /// For people; a result's JSON has the line in its message.
    package var place: SourcePlace?

    package init(
        _ code: ErrorCode, _ phase: Phase, _ message: String, hint: String, logTail: [String] = [],
        place: SourcePlace? = nil
    ) {
        self.code = code
        self.phase = phase
        self.message = message
        self.hint = hint
        self.logTail = logTail
        self.place = place
    }

    /// The hint as it is shown, with the place where all about this error is written down.
    package var advice: String { "\(hint) (docs/errors.md#\(code.rawValue))" }

    package static func cancelled(in phase: Phase) -> LianError {
        LianError(
            .cancelled, phase, "the build was ended by its caller", hint: "Start it again when you like.")
    }

    /// The same error where a stage saw it that knows better in which phase it fell.
    package func during(_ phase: Phase) -> LianError {
        LianError(code, phase, message, hint: hint, logTail: logTail, place: place)
    }

    package func saying(_ message: String) -> LianError {
        LianError(code, phase, message, hint: hint, logTail: logTail, place: place)
    }
}

extension LianError: JSONEncodable {
    package var json: JSONValue {
        [
            "code": .string(code.rawValue), "phase": .string(phase.rawValue), "message": .string(message),
            "hint": .string(advice), "log_tail": logTail.json,
        ]
    }
}

/// The stages of a build, in the order in which it walks through them.
package enum Phase: String, CaseIterable, Sendable {
    case arguments, resolve, spawn, connect, sync, build, push, teardown, report
}
