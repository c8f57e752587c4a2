/// The address of a NATS server. It may hold a password, so it is never printed as it was given.
package struct NATSURL: Equatable, Sendable, CustomStringConvertible {
    package let usesTLS: Bool
    package let host: String
    package let port: Int
    package let user: String?
    package let password: String?

    package static let defaultPort = 4222

    /// Takes `nats://` or `tls://`, then an optional user or token with an optional password, then host and port.
    package init(_ text: String) throws(InvalidNATSURL) {
        guard text.utf8.allSatisfy(Identifier.isVisible) else {
            throw InvalidNATSURL(rule: "must hold neither white space nor characters beyond ASCII")
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].hasPrefix("//"), ["nats", "tls"].contains(parts[0].lowercased()) else {
            throw InvalidNATSURL(rule: "must start with nats:// or tls://")
        }
        usesTLS = parts[0].lowercased() == "tls"
        var rest = parts[1].dropFirst(2)
        if let at = rest.lastIndex(of: "@") {
            let credentials = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = credentials.map { percentDecoded($0) }
            guard decoded.allSatisfy({ $0 != nil }), let first = decoded.first, first?.isEmpty == false else {
                throw InvalidNATSURL(rule: "has credentials before its '@' that cannot be read")
            }
            user = first
            password = decoded.count > 1 ? decoded[1] : nil
            rest = rest[rest.index(after: at)...]
        } else {
            user = nil
            password = nil
        }
        // Host and port follow the same rules as those of a web address.
        let authority = rest.hasSuffix("/") ? rest.dropLast() : rest
        let address: HTTPURL
        do {
            address = try HTTPURL("http://\(authority)")
        } catch {
            throw InvalidNATSURL(rule: error.rule)
        }
        guard address.path.isEmpty else { throw InvalidNATSURL(rule: "must end after the port") }
        host = address.host
        // HTTPURL fills in the default port of the web where none is written; NATS has another one.
        port = authority.last == "]" || !authority.contains(":") ? Self.defaultPort : address.port
    }

    /// Without credentials.
    package var description: String { origin }

    /// The server and the scheme, which tells whether the connection is encrypted from its start.
    package var origin: String {
        "\(usesTLS ? "tls" : "nats")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// The parts of the address that must never be printed, whichever text repeats them.
    package var secrets: [String] { [user, password].compactMap { $0 } }
}

package struct InvalidNATSURL: Error, Equatable, Sendable {
    /// The rule, to be put behind the name of the setting; it repeats nothing of the text.
    package let rule: String
}
