import FoundationEssentials

/// One public key as a line of an authorized_keys file, without options. The comment is dropped: it is the caller's
/// text, and nothing needs it.
package struct SSHPublicKey: Equatable, Sendable {
    package let algorithm: String
    package let blob: [UInt8]

    package var line: String { "\(algorithm) \(Data(blob).base64EncodedString())" }

    package static let algorithms = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    ]

    /// Whether the line has a key's form: `TYPE BASE64[ COMMENT]`, on one line.
    package static func hasForm(_ line: String) -> Bool {
        let fields = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count >= 2, algorithms.contains(String(fields[0])) else { return false }
        let bare = fields[1].utf8.reversed().drop { $0 == UInt8(ascii: "=") }
        return !bare.isEmpty && fields[1].utf8.count - bare.count <= 2
            && bare.allSatisfy { Identifier.isAlphanumeric($0) || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") }
            && !line.utf8.contains { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }
    }

    /// nil where the line has not a key's form, or what it carries is no key of the type that it names.
    package init?(_ line: String) {
        guard Self.hasForm(line), let key = HostKey(authorizedKeysLine: line), Self.isKey(key.blob, of: key.type) else {
            return nil
        }
        algorithm = key.type
        blob = key.blob
    }

    /// RFC 4253, 5656 and 8709: the type's name, then what it needs, each with its length before it, and no more.
    private static func isKey(_ blob: [UInt8], of algorithm: String) -> Bool {
        var reader = FieldReader(bytes: blob[...])
        guard reader.next() == ArraySlice(algorithm.utf8) else { return false }
        let isWhole: Bool
        switch algorithm {
        case "ssh-ed25519":
            isWhole = reader.next()?.count == 32
        case "ssh-rsa":
            let exponent = reader.next()
            let modulus = reader.next()
            // sshd takes no RSA key of fewer than 1024 bits.
            isWhole = exponent?.isEmpty == false && (128...2049).contains(modulus?.count ?? 0)
        default:
            let curve = algorithm.split(separator: "-").last.map(String.init) ?? ""
            let sizes = ["nistp256": 65, "nistp384": 97, "nistp521": 133]
            guard reader.next() == ArraySlice(curve.utf8), let point = reader.next() else { return false }
            isWhole = point.count == sizes[curve] && point.first == 4
        }
        return isWhole && reader.bytes.isEmpty
    }

    private struct FieldReader {
        var bytes: ArraySlice<UInt8>

        mutating func next() -> ArraySlice<UInt8>? {
            guard bytes.count >= 4 else { return nil }
            let length = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            guard length <= bytes.count - 4 else { return nil }
            let field = bytes.dropFirst(4).prefix(length)
            bytes = bytes.dropFirst(4 + length)
            return field
        }
    }
}
