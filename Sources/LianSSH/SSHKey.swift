import CCrypto
import Glibc
import LianModel
import LianSystem

/// A user key that can authenticate: everything about it that can fail without a network has been tried.
package struct SSHKey: Sendable {
    package let publicKey: SSHPublicKey
    let signer: Signer

    enum Signer: Sendable {
        /// libssh2 signs; the text never leaves this process.
        case memory(text: [UInt8], passphrase: String?)
        case agent(socketPath: String)
    }

    /// For the spawn request and authorized_keys.
    package var publicKeyLine: String { publicKey.line }

    /// `agentSocket` is the value of SSH_AUTH_SOCK.
    package static func load(
        path: String, passphrase: PassphraseSource, agentSocket: String?
    ) async throws -> SSHKey {
        try await SSHKeyFile(path: path).unlock(passphrase: passphrase, agentSocket: agentSocket)
    }

    /// A key for one build, made in memory and never written anywhere.
    package static func ephemeral() throws(LianError) -> SSHKey {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else { throw generationFailed() }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &key) == 1 else { throw generationFailed() }
        defer { EVP_PKEY_free(key) }
        var rawPublic = [UInt8](repeating: 0, count: 32)
        var seed = rawPublic
        var publicSize = rawPublic.count
        var seedSize = seed.count
        guard EVP_PKEY_get_raw_public_key(key, &rawPublic, &publicSize) == 1,
            EVP_PKEY_get_raw_private_key(key, &seed, &seedSize) == 1
        else { throw generationFailed() }
        var blob = WireWriter()
        blob.string("ssh-ed25519".utf8)
        blob.string(rawPublic)
        guard let publicKey = SSHPublicKey(blob: blob.bytes) else { throw generationFailed() }
        let text = OpenSSHKeyFormat.encode(publicKey: publicKey, rawPublic: rawPublic, seed: seed)
        return SSHKey(publicKey: publicKey, signer: .memory(text: text, passphrase: nil))
    }

    /// As OpenSSH writes it to a file; nil where an agent or a passphrase holds it.
    package var privateText: String? {
        guard case .memory(let text, nil) = signer else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    private static func generationFailed() -> LianError {
        LianError(
            .internalError, .resolve, "libcrypto could not make an ephemeral SSH key",
            hint: "Name a key file with --ssh-key.")
    }
}

extension SSHKey {
    /// The key whose `privateText` this is; nil where it is none.
    package init?(privateText text: String) {
        let problems = KeyProblems(path: "a key that was kept")
        guard let head = try? OpenSSHKeyFormat.Head(text, problems), !head.isEncrypted else { return nil }
        self.init(publicKey: head.publicKey, signer: .memory(text: Array(text.utf8), passphrase: nil))
    }
}

extension SSHKeyFile {
    /// How often a person may mistype the passphrase.
    private static let attempts = 3

    /// Makes a key of the file that is sure to work as far as this machine can tell.
    package func unlock(passphrase source: PassphraseSource, agentSocket: String?) async throws -> SSHKey {
        let problems = KeyProblems(path: path)
        guard case .privateKey(let text, let isEncrypted) = content else {
            return try await agentKey(agentSocket, problems)
        }
        guard isEncrypted else { return try await checked(text, passphrase: nil, problems) }
        switch source {
        case .value(let passphrase):
            return try await checked(text, passphrase: passphrase, problems)
        case .ask(let ask):
            var lastError = problems.passphraseMissing()
            for _ in 0..<Self.attempts {
                guard let passphrase = try await ask("Passphrase for the SSH key \(path): ") else { throw lastError }
                do {
                    return try await checked(text, passphrase: passphrase, problems)
                } catch let error as LianError {
                    lastError = error
                }
            }
            throw lastError
        }
    }

    private func checked(_ text: [UInt8], passphrase: String?, _ problems: KeyProblems) async throws -> SSHKey {
        let key =
            try publicKey
            ?? PEMKey(String(decoding: text, as: UTF8.self), problems)
            .publicKey(passphrase: passphrase, problems)
        // The derivation of a key from a passphrase takes a tenth of a second of computing.
        let accepted = await onOwnThread { SSHLibrary.accepts(privateKey: text, passphrase: passphrase) }
        guard accepted else {
            throw passphrase == nil ? problems.refusedByLibrary(key.algorithm) : problems.passphraseWrong()
        }
        return SSHKey(publicKey: key, signer: .memory(text: text, passphrase: passphrase))
    }

    private func agentKey(_ socketPath: String?, _ problems: KeyProblems) async throws -> SSHKey {
        guard let publicKey else { throw problems.damaged() }
        guard let socketPath, !socketPath.isEmpty else { throw problems.noAgent() }
        let held = await AgentClient.ask(at: socketPath, within: .seconds(10)) {
            (client) throws(AgentClient.Failure) in try client.identities()
        }
        try Task.checkCancellation()
        switch held {
        case .success(let blobs) where blobs.contains(publicKey.blob):
            return SSHKey(publicKey: publicKey, signer: .agent(socketPath: socketPath))
        case .success:
            throw problems.notInAgent(publicKey)
        case .failure(let failure):
            throw problems.agentFailed(failure.reason)
        }
    }
}
