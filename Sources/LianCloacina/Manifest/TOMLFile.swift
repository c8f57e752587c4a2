import LianSystem

/// A TOML file of a project, read whole.
package struct TOMLFile: Sendable {
    package let bytes: [UInt8]
    package let document: TOMLTable

    package static let largest = 1 << 20

    /// Nil where there is none.
    package init?(_ path: String, _ code: CloacinaCode, _ phase: CloacinaPhase) throws(CloacinaError) {
        guard fileKind(path) != nil else { return nil }
        do throws(FileReadFailure) {
            bytes = try readFile(path, limit: Self.largest)
        } catch {
            throw .unreadable(path, error.reason, phase)
        }
        do throws(TOMLError) {
            document = try parseTOML(bytes)
        } catch {
            throw CloacinaError(
                code, phase, "\(path) is not TOML: \(error.message)", hint: "Mend the line that is named.",
                place: CloacinaError.Place(file: path, line: error.line, column: error.column))
        }
    }
}
