import CCrypto
import FoundationEssentials
import LianModel
import LianSystem

/// A known_hosts file, by the rules of sshd(8): plain and hashed names, wildcards, negation, [host]:port, @revoked.
/// Certificate authorities are not supported, and said by name where they would have been needed.
package struct KnownHosts: Sendable {
    private let path: String
    private let entries: [Entry]

    private struct Entry: Sendable {
        enum Marker: Sendable { case none, revoked, certificateAuthority }
        let marker: Marker
        let names: Names
        let key: SSHPublicKey
    }

    private enum Names: Sendable {
        case patterns([Substring])
        case hashed(salt: [UInt8], hash: [UInt8])
    }

    private static let sizeLimit = 16 << 20

    package init(path: String) throws(LianError) {
        let text: String
        do {
            text = try readText(path, limit: Self.sizeLimit)
        } catch {
            throw LianError(
                .invalidArgument, .resolve, "the known_hosts file \(path) cannot be read: \(error.reason)",
                hint: "Name a readable file with --known-hosts.")
        }
        self.init(path: path, text: text)
    }

    init(path: String, text: String) {
        self.path = path
        // A line that cannot be understood trusts nothing: it is skipped, as ssh does.
        entries = text.split(whereSeparator: \.isNewline).compactMap(Self.entry)
    }

    private static func entry(_ line: Substring) -> Entry? {
        var fields = line.split(whereSeparator: \.isWhitespace)[...]
        guard let first = fields.first, !first.hasPrefix("#") else { return nil }
        var marker = Entry.Marker.none
        if first.hasPrefix("@") {
            switch first {
            case "@revoked": marker = .revoked
            case "@cert-authority": marker = .certificateAuthority
            default: return nil
            }
            fields = fields.dropFirst()
        }
        guard fields.count >= 3, let names = names(fields[fields.startIndex]),
            let key = SSHPublicKey(line: fields.dropFirst().joined(separator: " "))
        else { return nil }
        return Entry(marker: marker, names: names, key: key)
    }

    private static func names(_ field: Substring) -> Names? {
        guard field.hasPrefix("|") else { return .patterns(field.split(separator: ",")) }
        let parts = field.split(separator: "|")
        guard parts.count == 3, parts[0] == "1", let salt = Data(base64Encoded: String(parts[1])),
            let hash = Data(base64Encoded: String(parts[2]))
        else { return nil }
        return .hashed(salt: Array(salt), hash: Array(hash))
    }

    func trusted(for endpoint: SSHEndpoint) throws(LianError) -> TrustedKeys {
        // ssh looks hosts up in lower case, and with the port where it is not the usual one.
        let host = endpoint.host.lowercased()
        let name = endpoint.port == 22 ? host : "[\(host)]:\(endpoint.port)"
        let matching = entries.filter { Self.matches($0.names, name) }
        let accepted = matching.filter { $0.marker == .none }.map(\.key)
        guard !accepted.isEmpty else {
            let scan = "ssh-keyscan -t ed25519 -p \(endpoint.port) \(endpoint.host)"
            if matching.contains(where: { $0.marker == .certificateAuthority }) {
                throw LianError(
                    .hostKeyUnknown, .connect,
                    "\(path) knows \(name) only by a @cert-authority line, and host certificates are not supported",
                    hint: "Add the runner's own key to \(path); compare it with what \(scan) shows.")
            }
            throw LianError(
                .hostKeyUnknown, .connect, "\(path) holds no host key for \(name), and none is trusted on first use",
                hint: "Add the runner's key to \(path); compare it with what \(scan) shows.")
        }
        return TrustedKeys(
            accepted: accepted, revoked: matching.filter { $0.marker == .revoked }.map(\.key), source: path)
    }

    private static func matches(_ names: Names, _ name: String) -> Bool {
        switch names {
        case .hashed(let salt, let hash):
            return hmacSHA1(key: salt, Array(name.utf8)) == hash
        case .patterns(let patterns):
            var isMatched = false
            for pattern in patterns {
                let isNegated = pattern.hasPrefix("!")
                guard
                    wildcardMatches(
                        Array((isNegated ? pattern.dropFirst() : pattern).lowercased().utf8), Array(name.utf8))
                else { continue }
                if isNegated { return false }
                isMatched = true
            }
            return isMatched
        }
    }
}

private func hmacSHA1(key: [UInt8], _ message: [UInt8]) -> [UInt8]? {
    var digest = [UInt8](repeating: 0, count: 20)
    var size = 0
    let result = EVP_Q_mac(
        nil, "HMAC", nil, "SHA1", nil, key, key.count, message, message.count, &digest, digest.count, &size)
    return result != nil && size == digest.count ? digest : nil
}

/// `*` is any run of bytes and `?` any one; everything else stands for itself.
private func wildcardMatches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
    var position = 0
    var index = 0
    var retry: (pattern: Int, text: Int)?
    while index < text.count {
        if position < pattern.count, pattern[position] == UInt8(ascii: "*") {
            retry = (position + 1, index)
            position += 1
        } else if position < pattern.count, pattern[position] == UInt8(ascii: "?") || pattern[position] == text[index] {
            position += 1
            index += 1
        } else if let last = retry {
            retry = (last.pattern, last.text + 1)
            position = last.pattern
            index = last.text + 1
        } else {
            return false
        }
    }
    return pattern[position...].allSatisfy { $0 == UInt8(ascii: "*") }
}
