import FoundationEssentials

/// A public SSH key of a user or of a host.
package struct SSHPublicKey: Hashable, Sendable {
    /// As SSH names it: ssh-ed25519, ecdsa-sha2-nistp256, …
    package let algorithm: String
    package let blob: [UInt8]

    /// nil where the blob does not begin with the name of an algorithm, or holds nothing after it.
    package init?(blob: [UInt8]) {
        var reader = SSHWireReader(blob)
        guard let name = try? reader.string(), !name.isEmpty, !reader.isAtEnd,
            name.allSatisfy(Identifier.isVisible)
        else { return nil }
        algorithm = String(decoding: name, as: UTF8.self)
        self.blob = blob
    }

    /// Reads a line of authorized_keys without options: algorithm, base64, and a comment, which is dropped.
    package init?(line: String) {
        let fields = line.split(whereSeparator: \.isWhitespace)
        guard fields.count >= 2, let data = Data(base64Encoded: String(fields[1])),
            let key = SSHPublicKey(blob: [UInt8](data)), key.algorithm == fields[0]
        else { return nil }
        self = key
    }

    /// The key as a line of authorized_keys.
    package var line: String { "\(algorithm) \(Data(blob).base64EncodedString())" }
}

/// What a caller may hand to an orchestrator as its key.
extension SSHPublicKey {
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

    /// nil where the line does not have the form of a key, or its data is not a key of the type that it names.
    package init?(callersLine line: String) {
        guard Self.hasForm(line), let key = SSHPublicKey(line: line), Self.isKey(key.blob, of: key.algorithm) else {
            return nil
        }
        self = key
    }

    /// RFC 4253, 5656 and 8709: the type's name and the fields that the type needs, each after its length, and nothing
    /// else.
    private static func isKey(_ blob: [UInt8], of algorithm: String) -> Bool {
        var reader = SSHWireReader(blob)
        var fields: [[UInt8]] = []
        while !reader.isAtEnd {
            guard let field = try? reader.string() else { return false }
            fields.append(field)
        }
        guard fields.first == Array(algorithm.utf8) else { return false }
        switch algorithm {
        case "ssh-ed25519":
            return fields.count == 2 && fields[1].count == 32
        case "ssh-rsa":
            // An exponent and a modulus. sshd takes no RSA key of fewer than 1024 bits.
            return fields.count == 3 && !fields[1].isEmpty && (128...2049).contains(fields[2].count)
        default:
            let curve = algorithm.split(separator: "-").last.map(String.init) ?? ""
            let sizes = ["nistp256": 65, "nistp384": 97, "nistp521": 133]
            return fields.count == 3 && fields[1] == Array(curve.utf8) && fields[2].count == sizes[curve]
                && fields[2].first == 4
        }
    }
}
