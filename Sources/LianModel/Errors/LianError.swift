/// The one error type of the product: what happened, in which phase, and what to do next.
package struct LianError: Error, Equatable, Sendable {
    package let code: ErrorCode
    package let phase: Phase
    package let message: String
    /// What to do next, in whole sentences. It may end in a command to copy, without a full stop.
    package let hint: String
    /// The last lines of the log that explain the error.
    package var logTail: [String]
    /// The line of a file that the error is about, for people; in a result's JSON it is part of the message.
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

    /// The hint as it is shown, with a reference to the documentation of this error.
    package var advice: String { "\(hint) (docs/errors.md#\(code.rawValue))" }

    package static func cancelled(in phase: Phase) -> LianError {
        LianError(
            .cancelled, phase, "the build was ended by its caller", hint: "Start it again when you like.")
    }

    /// The same error with another phase, for a stage that knows better in which phase it happened.
    package func during(_ phase: Phase) -> LianError {
        LianError(code, phase, message, hint: hint, logTail: logTail, place: place)
    }

    /// The same error without the secrets that others have written into it.
    package func hiding(_ mask: SecretMask) -> LianError {
        LianError(
            code, phase, mask.masked(message), hint: mask.masked(hint), logTail: logTail.map(mask.masked), place: place)
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
