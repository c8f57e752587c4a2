import FoundationEssentials
import LianModel

/// OpenSSH's own form of a private key (PROTOCOL.key in its source).
enum OpenSSHKeyFormat {
    static let header = "-----BEGIN OPENSSH PRIVATE KEY-----"
    private static let footer = "-----END OPENSSH PRIVATE KEY-----"
    private static let magic = Array("openssh-key-v1\0".utf8)

    /// What stands unencrypted at its start.
    struct Head {
        let publicKey: SSHPublicKey
        let isEncrypted: Bool
        /// What follows it, encrypted or not.
        let secret: [UInt8]

        init(_ text: String, _ problems: KeyProblems) throws(LianError) {
            guard let start = text.firstRange(of: header), let end = text.firstRange(of: footer),
                start.upperBound <= end.lowerBound,
                let data = Data(
                    base64Encoded: text[start.upperBound..<end.lowerBound].filter { !$0.isWhitespace })
            else { throw problems.damaged() }
            let cipher: String
            let key: SSHPublicKey?
            do {
                var reader = SSHWireReader(Array(data))
                guard try reader.take(magic.count) == magic else { throw problems.damaged() }
                cipher = try reader.text()
                // The key derivation's name and its options.
                _ = try reader.string()
                _ = try reader.string()
                guard try reader.number() == 1 else {
                    throw problems.unreadableForm("a file of several keys, which is not supported")
                }
                key = SSHPublicKey(blob: try reader.string())
                secret = try reader.string()
            } catch let error as LianError {
                throw error
            } catch {
                throw problems.damaged()
            }
            guard let key else { throw problems.damaged() }
            publicKey = key
            isEncrypted = cipher != "none"
            // libssh2 knows the CBC and CTR modes only, and reads what is to log in.
            guard !isEncrypted || problems.use != .login || cipher.hasSuffix("-ctr") || cipher.hasSuffix("-cbc") else {
                throw problems.undecodableHere(cipher: cipher)
            }
        }
    }

    /// An ed25519 key, unencrypted: for keys that live in memory alone.
    static func encode(publicKey: SSHPublicKey, rawPublic: [UInt8], seed: [UInt8]) -> [UInt8] {
        var secret = WireWriter()
        // Twice the same number, by which a reader of an encrypted key knows the passphrase was right.
        let check = UInt32.random(in: 0...UInt32.max)
        secret.number(check)
        secret.number(check)
        secret.string(publicKey.algorithm.utf8)
        secret.string(rawPublic)
        secret.string(seed + rawPublic)
        secret.string([])
        for padding in 1...8 where secret.bytes.count % 8 != 0 { secret.raw([UInt8(padding)]) }

        var whole = WireWriter()
        whole.raw(magic)
        whole.string("none".utf8)
        whole.string("none".utf8)
        whole.string([])
        whole.number(1)
        whole.string(publicKey.blob)
        whole.string(secret.bytes)
        let base64 = Data(whole.bytes).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        return Array("\(header)\n\(base64)\n\(footer)\n".utf8)
    }
}
