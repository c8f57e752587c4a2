import CCrypto
import Glibc
import LianModel

/// A private key in PEM: PKCS#8, or OpenSSL's older forms that name the algorithm in their first line.
struct PEMKey {
    let text: String
    let isEncrypted: Bool

    init(_ text: String, _ problems: KeyProblems) throws(LianError) {
        self.text = text
        let label = text.drop { $0 != "B" }.prefix { $0 != "-" }
        switch label {
        case "BEGIN RSA PRIVATE KEY": try problems.check("ssh-rsa")
        case "BEGIN DSA PRIVATE KEY": try problems.check("ssh-dss")
        case "BEGIN PRIVATE KEY", "BEGIN ENCRYPTED PRIVATE KEY", "BEGIN EC PRIVATE KEY", "BEGIN EC PARAMETERS": break
        default:
            throw problems.unreadableForm("not a private key but a \(label.dropFirst("BEGIN ".count).lowercased())")
        }
        isEncrypted = label == "BEGIN ENCRYPTED PRIVATE KEY" || text.contains("Proc-Type: 4,ENCRYPTED")
    }

    /// Decodes the whole key; one that libssh2 cannot log in with is refused by name.
    func publicKey(passphrase: String?, _ problems: KeyProblems) throws(LianError) -> SSHPublicKey {
        guard let key = decode(passphrase: passphrase) else {
            throw isEncrypted ? problems.passphraseWrong() : problems.damaged()
        }
        defer { EVP_PKEY_free(key) }
        switch (EVP_PKEY_get_base_id(key), problems.use) {
        case (EVP_PKEY_ED25519, .login): throw problems.ed25519InPKCS8()
        case (EVP_PKEY_RSA, .login):
            try problems.check("ssh-rsa")
            throw problems.refusedByLibrary("RSA")
        case (EVP_PKEY_DSA, _): try problems.check("ssh-dss")
        default: break
        }
        return try SSHPublicKey(of: key, problems)
    }

    /// As libcrypto has it; nil where it does not decode, or not with this passphrase.
    func decode(passphrase: String?) -> OpaquePointer? {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { raw -> OpaquePointer? in
            guard let input = BIO_new_mem_buf(raw.baseAddress, Int32(raw.count)) else { return nil }
            defer { BIO_free(input) }
            // Always with a callback: libcrypto's own would ask on the terminal.
            return withUnsafePointer(to: passphrase) { pointer in
                PEM_read_bio_PrivateKey(
                    input, nil,
                    { buffer, size, _, context in
                        guard let buffer, let given = context?.assumingMemoryBound(to: String?.self).pointee else {
                            return -1
                        }
                        let bytes = Array(given.utf8)
                        guard bytes.count <= size else { return -1 }
                        memcpy(buffer, bytes, bytes.count)
                        return Int32(bytes.count)
                    }, UnsafeMutableRawPointer(mutating: pointer))
            }
        }
    }
}
