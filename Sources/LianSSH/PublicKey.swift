import CCrypto
import FoundationEssentials

/// A public key, of a user or of a host.
package struct PublicKey: Hashable, Sendable {
    /// As SSH names it: ssh-ed25519, ecdsa-sha2-nistp256, …
    package let algorithm: String
    package let blob: [UInt8]

    package init?(blob: [UInt8]) {
        var reader = WireReader(blob)
        guard let algorithm = try? reader.text(), !algorithm.isEmpty, !reader.isAtEnd,
            algorithm.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        self.algorithm = algorithm
        self.blob = blob
    }

    /// Reads an authorized_keys line without options: algorithm, base64, and a comment that is let go.
    package init?(line: String) {
        let fields = line.split(whereSeparator: \.isWhitespace)
        guard fields.count >= 2, let data = Data(base64Encoded: String(fields[1])),
            let key = PublicKey(blob: Array(data)), key.algorithm == fields[0]
        else { return nil }
        self = key
    }

    /// The form of authorized_keys.
    package var line: String { "\(algorithm) \(Data(blob).base64EncodedString())" }

    /// As ssh-keygen -l shows it.
    package var fingerprint: String {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_Digest(blob, blob.count, &digest, nil, EVP_sha256(), nil)
        return "SHA256:" + Data(digest).base64EncodedString().filter { $0 != "=" }
    }

    /// For messages.
    package var description: String { "\(algorithm) \(fingerprint)" }
}
