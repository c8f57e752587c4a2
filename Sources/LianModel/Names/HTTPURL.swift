/// The address of an HTTP server: scheme, host, port and the path at which its API starts. It can hold neither a query
/// nor credentials.
package struct HTTPURL: Equatable, Sendable, CustomStringConvertible {
    package enum Scheme: String, Sendable {
        case http, https

        var defaultPort: Int { self == .http ? 80 : 443 }
    }

    package let scheme: Scheme
    /// Lower case; an IPv6 address without its brackets.
    package let host: String
    package let port: Int
    /// Empty, or starting with "/" and not ending with it.
    package let path: String

    /// Throws the rule that the text breaks. The text may hold a password, so no message shows it.
    package init(_ text: String) throws(InvalidHTTPURL) {
        guard text.utf8.allSatisfy(Identifier.isVisible) else {
            throw InvalidHTTPURL(rule: "must hold neither white space nor characters beyond ASCII")
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let scheme = Scheme(rawValue: parts[0].lowercased()), parts[1].hasPrefix("//") else {
            throw InvalidHTTPURL(rule: "must start with http:// or https://")
        }
        let rest = parts[1].dropFirst(2)
        guard !rest.contains(where: { $0 == "?" || $0 == "#" }) else {
            throw InvalidHTTPURL(rule: "must have neither a query nor a fragment")
        }
        let authority = rest.prefix { $0 != "/" }
        guard !authority.contains("@") else {
            throw InvalidHTTPURL(rule: "must hold no user name and no password")
        }
        let (host, port) = try Self.hostAndPort(authority)
        self.scheme = scheme
        self.host = host
        self.port = port ?? scheme.defaultPort
        var path = rest.dropFirst(authority.count)
        while path.hasSuffix("/") { path = path.dropLast() }
        self.path = String(path)
    }

    private static func hostAndPort(_ authority: Substring) throws(InvalidHTTPURL) -> (String, Int?) {
        let host: Substring
        let afterHost: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else {
                throw InvalidHTTPURL(rule: "has an IPv6 address without its closing bracket")
            }
            host = authority[..<end].dropFirst()
            afterHost = authority[authority.index(after: end)...]
            guard host.contains(":"), host.utf8.allSatisfy({ Identifier.isHexDigit($0) || $0 == 0x3A || $0 == 0x2E })
            else {
                throw InvalidHTTPURL(rule: "has no IPv6 address between its brackets")
            }
        } else {
            host = authority.prefix { $0 != ":" }
            afterHost = authority.dropFirst(host.count)
            guard !host.isEmpty,
                host.utf8.allSatisfy({ Identifier.isAlphanumeric($0) || "-._".utf8.contains($0) })
            else { throw InvalidHTTPURL(rule: "must name a host") }
        }
        guard !afterHost.isEmpty else { return (host.lowercased(), nil) }
        let digits = afterHost.dropFirst()
        guard afterHost.hasPrefix(":"), !digits.isEmpty, digits.utf8.allSatisfy(Identifier.isDigit),
            let port = Int(digits), (1...65535).contains(port)
        else { throw InvalidHTTPURL(rule: "must have a port from 1 to 65535 after the host's ':'") }
        return (host.lowercased(), port)
    }

    private init(_ scheme: Scheme, host: String, port: Int, path: String) {
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
    }

    /// The same port by https instead of http, or by http instead of https.
    package var withOtherScheme: HTTPURL {
        HTTPURL(scheme == .http ? .https : .http, host: host, port: port, path: path)
    }

    /// Scheme, host and port: a token is bound to this origin.
    package var origin: String {
        "\(scheme.rawValue)://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    package var description: String { origin + path }

    /// Whether the address always means this machine, however the network is set up.
    package var isLoopback: Bool {
        if host == "localhost" || host.hasSuffix(".localhost") || host == "::1" { return true }
        let octets = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return octets.count == 4 && octets[0] == 127 && octets.allSatisfy { $0 != nil }
    }
}

package struct InvalidHTTPURL: Error, Equatable, Sendable {
    /// The rule, to be put behind the name of the setting: "must start with http:// or https://".
    package let rule: String
}
