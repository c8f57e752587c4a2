import LianModel
import CCrypto

/// The key that signs.
package struct PrivateKey: Sendable {
    package let seed: [UInt8]
    package let publicKey: PublicKey

    package init(seed: [UInt8]) throws(CloacinaError) {
        guard let key = Self.key(seed) else {
            throw KeySource.invalid("", "the cryptographic library does not take it")
        }
        defer { EVP_PKEY_free(key) }
        self.seed = seed
        publicKey = PublicKey(bytes: try rawPublicKey(key, ""))
    }

    /// A key file that others can read is warned of.
    package init(_ source: KeySource, _ report: inout CloacinaReport) throws(CloacinaError) {
        switch source.content {
        case .raw(let bytes):
            // Any 32 bytes can be a private key; what everyone knows is none.
            guard !source.name.hasSuffix(Self.publicSuffix) else {
                throw KeySource.invalid(source.name, "by its name it is a public key")
            }
            try self.init(seed: bytes)
        case .pem(let text): try self.init(seed: try Self.seed(text, source.name))
        }
        if source.isReadByOthers {
            report.warn(.keyUnsafeMode, "others than you can read \(source.name): chmod 600 it")
        }
    }

    package func signature(of message: [UInt8]) throws(CloacinaError) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: 64)
        var length = signature.count
        let key = Self.key(seed)
        let context = EVP_MD_CTX_new()
        defer {
            EVP_MD_CTX_free(context)
            EVP_PKEY_free(key)
        }
        guard EVP_DigestSignInit(context, nil, nil, nil, key) == 1,
            EVP_DigestSign(context, &signature, &length, message, message.count) == 1, length == 64
        else { throw KeySource.invalid("", "the cryptographic library does not sign by it") }
        return signature
    }

    /// What is told of a signature that was made by it.
    package func report(_ kind: CloacinaReport.Signature.Kind, _ path: String) -> CloacinaReport.Signature {
        CloacinaReport.Signature(kind: kind, path: path, keyFingerprint: publicKey.fingerprint, status: .made)
    }

    /// Of files that hold the public key's bytes.
    package static let publicSuffix = ".public"

    /// PKCS#8.
    package var pem: String { pemText("PRIVATE KEY", Self.pkcs8Start + seed) }

    private static let pkcs8Start: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    private static func key(_ seed: [UInt8]) -> OpaquePointer? {
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count)
    }

    private static func seed(_ pem: [UInt8], _ name: String) throws(CloacinaError) -> [UInt8] {
        guard !String(decoding: pem, as: UTF8.self).contains("ENCRYPTED") else {
            throw CloacinaError(
                .keyEncrypted, .signature, "the key \(name) is encrypted",
                hint: "Decrypt it: openssl pkey -in KEY -out NEW")
        }
        // Always with a callback: libcrypto's own would ask on the terminal.
        guard let key = readPEM(pem, { PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in -1 }, nil) }) else {
            throw KeySource.invalid(name, "it is no private key in PEM")
        }
        defer { EVP_PKEY_free(key) }
        var seed = [UInt8](repeating: 0, count: 32)
        var length = seed.count
        guard EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519,
            EVP_PKEY_get_raw_private_key(key, &seed, &length) == 1, length == 32
        else { throw KeySource.invalid(name, "it is of another algorithm than Ed25519") }
        return seed
    }
}

/// The key that signatures are checked by.
package struct PublicKey: Equatable, Sendable {
    package let bytes: [UInt8]

    package init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    package init(_ source: KeySource) throws(CloacinaError) {
        switch source.content {
        case .raw(let bytes): self.bytes = bytes
        case .pem(let text):
            guard let key = readPEM(text, { PEM_read_bio_PUBKEY($0, nil, { _, _, _, _ in -1 }, nil) }) else {
                throw KeySource.invalid(source.name, "it is no public key in PEM")
            }
            defer { EVP_PKEY_free(key) }
            bytes = try rawPublicKey(key, source.name)
        }
    }

    package var fingerprint: String { hexadecimal(SHA256.of(bytes)) }

    /// SPKI.
    package var pem: String {
        pemText("PUBLIC KEY", [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00] + bytes)
    }

    package func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        guard let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count),
            let context = EVP_MD_CTX_new()
        else { return false }
        defer {
            EVP_MD_CTX_free(context)
            EVP_PKEY_free(key)
        }
        return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}

private func rawPublicKey(_ key: OpaquePointer, _ name: String) throws(CloacinaError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 32)
    var length = bytes.count
    guard EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519,
        EVP_PKEY_get_raw_public_key(key, &bytes, &length) == 1, length == 32
    else { throw KeySource.invalid(name, "it is of another algorithm than Ed25519") }
    return bytes
}

private func readPEM(_ pem: [UInt8], _ read: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
    pem.withUnsafeBytes { bytes in
        guard let input = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
        defer { BIO_free(input) }
        return read(input)
    }
}

/// Of bytes that fit on one line.
private func pemText(_ label: String, _ bytes: [UInt8]) -> String {
    "-----BEGIN \(label)-----\n\(Base64.encode(bytes))\n-----END \(label)-----\n"
}
