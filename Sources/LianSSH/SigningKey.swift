import CCrypto
import LianModel

/// A private key in libcrypto's hands. It is never changed once it is made, and libcrypto lets several threads sign with
/// one: hence unchecked.
final class SigningKey: @unchecked Sendable {
    let publicKey: SSHPublicKey
    private let key: OpaquePointer

    /// Takes no key that is encrypted: nobody could be asked for its passphrase while a build runs.
    init(_ file: SSHKeyFile) throws(LianError) {
        let problems = KeyProblems(path: file.path, use: .forwarding)
        guard case .privateKey(let bytes, let isEncrypted) = file.content else { throw problems.publicHalf() }
        guard !isEncrypted else { throw problems.encrypted() }
        let text = String(decoding: bytes, as: UTF8.self)
        let key =
            text.contains(OpenSSHKeyFormat.header)
            ? try OpenSSHKeyFormat.Head(text, problems).privateKey()
            : try PEMKey(text, problems).decode(passphrase: nil)
        guard let key else { throw problems.damaged() }
        let publicKey: SSHPublicKey
        do throws(LianError) {
            publicKey = try SSHPublicKey(of: key, problems)
        } catch {
            EVP_PKEY_free(key)
            throw error
        }
        self.key = key
        self.publicKey = publicKey
        // What the file says of its public half is what others know this key by.
        guard publicKey == file.publicKey else { throw problems.damaged() }
    }

    deinit {
        EVP_PKEY_free(key)
    }

    /// A signature with its algorithm's name in front, by the flags of an agent's request; nil where libcrypto makes
    /// none.
    func sign(_ data: [UInt8], flags: UInt32) -> [UInt8]? {
        let (name, digest) = algorithm(flags)
        guard let context = EVP_MD_CTX_new() else { return nil }
        defer { EVP_MD_CTX_free(context) }
        var size = 0
        guard EVP_DigestSignInit(context, nil, digest, nil, key) == 1,
            EVP_DigestSign(context, nil, &size, data, data.count) == 1
        else { return nil }
        var signature = [UInt8](repeating: 0, count: size)
        guard EVP_DigestSign(context, &signature, &size, data, data.count) == 1 else { return nil }
        signature.removeLast(signature.count - size)
        if name.hasPrefix("ecdsa-") {
            guard let pair = Self.pair(signature) else { return nil }
            signature = pair
        }
        var whole = WireWriter()
        whole.string(name.utf8)
        whole.string(signature)
        return whole.bytes
    }

    private func algorithm(_ flags: UInt32) -> (String, OpaquePointer?) {
        switch publicKey.algorithm {
        case "ssh-rsa" where flags & AgentMessage.SignFlag.sha512 != 0: ("rsa-sha2-512", EVP_sha512())
        case "ssh-rsa" where flags & AgentMessage.SignFlag.sha256 != 0: ("rsa-sha2-256", EVP_sha256())
        case "ssh-rsa": ("ssh-rsa", EVP_sha1())
        case "ecdsa-sha2-nistp256": (publicKey.algorithm, EVP_sha256())
        case "ecdsa-sha2-nistp384": (publicKey.algorithm, EVP_sha384())
        case "ecdsa-sha2-nistp521": (publicKey.algorithm, EVP_sha512())
        // Ed25519 has its own.
        default: (publicKey.algorithm, nil)
        }
    }

    /// SSH writes the two numbers of an ECDSA signature in its own way (RFC 5656, section 3.1.2).
    private static func pair(_ signature: [UInt8]) -> [UInt8]? {
        signature.withUnsafeBufferPointer { buffer -> [UInt8]? in
            var start = buffer.baseAddress
            guard let read = d2i_ECDSA_SIG(nil, &start, buffer.count) else { return nil }
            defer { ECDSA_SIG_free(read) }
            var pair = WireWriter()
            pair.number(ECDSA_SIG_get0_r(read))
            pair.number(ECDSA_SIG_get0_s(read))
            return pair.bytes
        }
    }
}
