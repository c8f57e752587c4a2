import LianModel
import LianSystem

/// What part of a command's work an error belongs to.
package enum CloacinaPhase: String, CaseIterable, Sendable {
    case arguments, project, compile, discovery, vendor, archive, signature, library, server, output
}

/// Why a command failed, and what to do next.
package struct CloacinaError: Error, Equatable, Sendable {
    package struct Place: Equatable, Sendable {
        package let file: String
        package let line: Int
        package let column: Int

        package init(file: String, line: Int, column: Int) {
            self.file = file
            self.line = line
            self.column = column
        }
    }

    package let code: CloacinaCode
    package let phase: CloacinaPhase
    package let message: String
    package let hint: String
    package let place: Place?
    package private(set) var exitStatus: Int32

    package init(
        _ code: CloacinaCode, _ phase: CloacinaPhase, _ message: String, hint: String, place: Place? = nil
    ) {
        self.code = code
        self.phase = phase
        self.message = message
        self.hint = hint
        self.place = place
        exitStatus = code.exitStatus
    }

    /// The same error of a command that judges what a file holds: bad content is its answer (1), not a wrong request (2).
    package var asVerdict: CloacinaError {
        var verdict = self
        if exitStatus == 2 { verdict.exitStatus = 1 }
        return verdict
    }

    package static func unreadable(_ path: String, _ reason: String, _ phase: CloacinaPhase) -> CloacinaError {
        CloacinaError(
            .fileUnreadable, phase, "\(path) cannot be read: \(reason)", hint: "Name a file that you may read.")
    }

    package static func unwritable(_ path: String, _ error: SystemError) -> CloacinaError {
        CloacinaError(
            .writeFailed, .output, "\(path) cannot be written: \(error)",
            hint: "Name a place that exists, has room and may be written to.")
    }
}

extension CloacinaError: JSONEncodable {
    package var json: JSONValue {
        [
            "code": .string(code.rawValue), "phase": .string(phase.rawValue), "message": .string(message),
            "hint": .string(hint),
            "place": place.map {
                ["file": .string($0.file), "line": .integer($0.line), "column": .integer($0.column)]
            } ?? .null,
        ]
    }

    /// For a person. Names of files may be in it, and those may hold anything: nothing moves a terminal's cursor.
    package var lines: [String] {
        var lines = ["error[\(code.rawValue)]: \(message)"]
        if let place { lines.append("  \(place.file):\(place.line):\(place.column)") }
        return (lines + ["hint: \(hint)"]).map { onOneLine($0, limit: 10_000) }
    }
}
