import LianModel
import LianSSH

/// The key by which a machine is known, made before the machine is: the client knows it before the first connection.
struct HostKey: Sendable {
    let publicKey: SSHPublicKey
    /// As OpenSSH writes it to a file.
    let privateText: String

    /// A new Ed25519 key.
    static func make() throws(ProviderError) -> HostKey {
        guard let key = try? SSHKey.ephemeral(), let text = key.privateText else {
            throw ProviderError("OpenSSL made no Ed25519 key")
        }
        return HostKey(publicKey: key.publicKey, privateText: text.trimmingLineEnd())
    }
}
