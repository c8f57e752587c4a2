import LianModel
import LianSSH

/// How runners are reached: the caller's key, and the host keys that the caller knows.
struct RunnerAccess: Sendable {
    let knownHosts: KnownHosts?
    private let file: SSHKeyFile?
    private let environment: [String: String]

    /// Throws everything that can be known to be wrong with the keys without a passphrase.
    init(_ request: BuildRequest, environment: [String: String]) throws {
        file = request.sshKey == BuildRequest.ephemeralKey ? nil : try SSHKeyFile(path: request.sshKey)
        knownHosts = try request.knownHosts.map { path throws(LianError) in try KnownHosts(path: path) }
        self.environment = environment
    }

    /// The key itself: its passphrase from SSH_KEY_PASSPHRASE, else from the terminal.
    func key() async throws -> SSHKey {
        guard let file else { return try SSHKey.ephemeral() }
        let passphrase: PassphraseSource = environment["SSH_KEY_PASSPHRASE"].map { .value($0) } ?? .ask(askOnTerminal)
        return try await file.unlock(passphrase: passphrase, agentSocket: environment["SSH_AUTH_SOCK"])
    }
}
