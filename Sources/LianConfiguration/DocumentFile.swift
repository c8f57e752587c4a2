import LianModel
import LianSystem

/// A file that a person writes: Nickel (.ncl), or JSON (.json) under the same rules.
package struct DocumentFile: Sendable {
    private let path: String
    private let installation: Installation?
    private let importPaths: [String]
    private let environment: [String: String]

    package init(
        _ path: String, installation: Installation?, importPaths: [String] = [], environment: [String: String]
    ) {
        self.path = path
        self.installation = installation
        self.importPaths = importPaths
        self.environment = environment
    }

    /// How a refusal calls the file, and by which codes.
    package struct Words: Sendable {
        let what: String
        let flag: String
        let unreadable: ErrorCode
        let invalid: ErrorCode

        package static let directives = Words(
            what: "the directives", flag: "--directives", unreadable: .directivesUnreadable, invalid: .directivesInvalid
        )
        package static let configuration = Words(
            what: "the configuration", flag: "--config", unreadable: .directivesUnreadable,
            invalid: .directivesInvalid)
    }

    package func read(_ words: Words) async throws -> JSONValue {
        func unreadable(_ reason: String) -> LianError {
            LianError(
                words.unreadable, .resolve, "\(words.what) \(path) cannot be read: \(reason)",
                hint: "\(words.flag) takes a Nickel file (.ncl) or a JSON file (.json).")
        }
        guard let kind = fileKind(path) else { throw unreadable("there is no such file") }
        guard kind == .regular else { throw unreadable("it is not a regular file") }
        if path.hasSuffix(".ncl") { return try await nickel().export(path) }
        guard path.hasSuffix(".json") else { throw unreadable("its name ends neither in .ncl nor in .json") }
        let bytes: [UInt8]
        do {
            bytes = try readFile(path, limit: Nickel.outputLimit)
        } catch {
            throw unreadable(error.reason)
        }
        do {
            return try JSONValue.parse(bytes)
        } catch {
            throw LianError(words.invalid, .resolve, "\(path) is not JSON: \(error)", hint: "Mend it at that place.")
        }
    }

    package func nickel() throws(LianError) -> Nickel {
        try Nickel.find(for: path, installation: installation, importPaths: importPaths, environment: environment)
    }
}
