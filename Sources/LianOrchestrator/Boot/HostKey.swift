import CCrypto
import Foundation
import LianModel

/// The key by which a machine is known, made before the machine is: the client knows it before the first connection.
struct HostKey: Sendable {
    let publicKey: SSHPublicKey
    /// As OpenSSH writes it to a file.
    let privateText: String

    /// A new Ed25519 key.
    static func make() throws(ProviderError) -> HostKey {
        var key: OpaquePointer?
        defer { EVP_PKEY_free(key) }
        var seed = [UInt8](repeating: 0, count: 32)
        var point = seed
        var seedCount = seed.count
        var pointCount = point.count
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else {
            throw ProviderError("OpenSSL knows no Ed25519")
        }
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &key) == 1,
            EVP_PKEY_get_raw_private_key(key, &seed, &seedCount) == 1,
            EVP_PKEY_get_raw_public_key(key, &point, &pointCount) == 1,
            let publicKey = SSHPublicKey(blob: field(algorithm.utf8) + field(point))
        else { throw ProviderError("OpenSSL made no Ed25519 key") }
        return HostKey(publicKey: publicKey, privateText: text(publicKey, seed: seed, point: point))
    }

    private static let algorithm = "ssh-ed25519"
    private static let lineLength = 70

    /// The form is OpenSSH's PROTOCOL.key, without a passphrase.
    private static func text(_ key: SSHPublicKey, seed: [UInt8], point: [UInt8]) -> String {
        let check = (0..<4).map { _ in UInt8.random(in: 0...255) }
        var secret = check + check + key.blob + field(seed + point) + field([])
        secret += (1...8).prefix((8 - secret.count % 8) % 8)
        let none = field("none".utf8)
        let head = Array("openssh-key-v1\0".utf8) + none + none + field([]) + number(1)
        let whole = head + field(key.blob) + field(secret)
        let base64 = Array(Data(whole).base64EncodedString())
        let lines = stride(from: 0, to: base64.count, by: lineLength).map {
            String(base64[$0..<min($0 + lineLength, base64.count)])
        }
        return (["-----BEGIN OPENSSH PRIVATE KEY-----"] + lines + ["-----END OPENSSH PRIVATE KEY-----"])
            .joined(separator: "\n")
    }

    private static func field(_ bytes: some Collection<UInt8>) -> [UInt8] { number(bytes.count) + bytes }

    private static func number(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
