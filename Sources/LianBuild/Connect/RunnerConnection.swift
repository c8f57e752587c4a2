import LianModel
import LianSSH
import LianSystem

/// The one SSH connection to a runner, replaced by a new one where it breaks. Everything of a build goes over it.
actor RunnerConnection {
    private let endpoint: SSHEndpoint
    private let key: SSHKey
    private let hostKeys: HostKeys
    private var current: SSHConnection
    private var replacing: Task<SSHConnection, any Error>?

    /// How long one try of coming back may take; the caller tries again as long as its patience lasts.
    private static let reconnectLimit: Duration = .seconds(10)

    private init(endpoint: SSHEndpoint, key: SSHKey, hostKeys: HostKeys, current: SSHConnection) {
        self.endpoint = endpoint
        self.key = key
        self.hostKeys = hostKeys
        self.current = current
    }

    static func open(
        to runner: ReadyRunner, key: SSHKey, knownHosts: KnownHosts?, deadline: ContinuousClock.Instant,
        onAnswer: @escaping @Sendable (Duration) -> Void
    ) async throws -> RunnerConnection {
        let endpoint = SSHEndpoint(host: runner.host, port: runner.port, user: runner.user)
        let hostKeys = HostKeys.choose(pinned: runner.hostKeys, knownHosts: knownHosts)
        let connection = try await SSHConnection.connect(
            to: endpoint, key: key, hostKeys: hostKeys, deadline: deadline, onAnswer: onAnswer)
        return RunnerConnection(endpoint: endpoint, key: key, hostKeys: hostKeys, current: connection)
    }

    var host: SSHConnection { current }

    /// A connection in the place of one that broke: several runs that lose the same one get the same new one.
    func replacement(for broken: SSHConnection) async throws -> SSHConnection {
        guard current === broken else { return current }
        if let replacing { return try await replacing.value }
        let task = Task { [endpoint, key, hostKeys] in
            try await SSHConnection.connect(
                to: endpoint, key: key, hostKeys: hostKeys, deadline: .now + Self.reconnectLimit)
        }
        replacing = task
        defer { replacing = nil }
        broken.abort()
        current = try await task.value
        return current
    }

    /// Ends the connection in order; where that takes longer than a moment, at once.
    func close() async {
        await current.disconnect(within: .seconds(1))
    }
}
