import LianChannel
import LianModel
import LianSystem
import Synchronization

/// One SSH connection to a runner: one libssh2 session, owned by one thread. Everything on the runner goes through
/// channels of it.
package final class SSHConnection: RemoteHost {
    package let endpoint: SSHEndpoint
    private let link: SessionLink
    private let lastChannel = Atomic(0)

    private init(endpoint: SSHEndpoint, link: SessionLink) {
        self.endpoint = endpoint
        self.link = link
    }

    deinit {
        _ = link.post { $0.stop(nil) }
    }

    /// Connects, checks the host key, and authenticates. While the runner boots nothing listens there, or what listens
    /// closes at once: with `retryWhileBooting` that is tried again until the deadline. A wrong host key or a refused
    /// user key is final. A cancelled task stops at once. `onAnswer` is called as soon as a server has shown a host key
    /// that is trusted, again for each try, with the time that a round trip to it takes, whatever stands between.
    package static func connect(
        to endpoint: SSHEndpoint, key: SSHKey, hostKeys: HostKeys, deadline: ContinuousClock.Instant,
        retryWhileBooting: Bool = true, limits: SSHLimits = SSHLimits(),
        onAnswer: @escaping @Sendable (Duration) -> Void = { _ in }
    ) async throws -> SSHConnection {
        let trusted = try hostKeys.trusted(for: endpoint)
        let link: SessionLink
        do {
            link = try SessionLink()
        } catch {
            throw LianError(
                .internalError, .connect, "cannot prepare the SSH connection: \(error.description)",
                hint: "Raise the limit of open files (ulimit -n).")
        }
        let setup = SessionSetup(
            endpoint: endpoint, key: key, trusted: trusted, deadline: deadline, retries: retryWhileBooting,
            limits: limits, link: link, onAnswer: onAnswer)
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                do {
                    try startThread { setup.runAndServe(continuation) }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        } onCancel: {
            link.abort()
        }
        return SSHConnection(endpoint: endpoint, link: link)
    }

    package func execute(_ command: String) async throws -> any RemoteChannel {
        try await open(command)
    }

    package func open(_ command: String) async throws -> SSHChannel {
        let id = lastChannel.wrappingAdd(1, ordering: .relaxed).newValue
        let counters = TransferCounters()
        try await link.perform { loop, completion in
            loop.open(id, command: command, counters: counters, completion)
        }
        return SSHChannel(id: id, connection: self, link: link, counters: counters)
    }

    /// What a command that ends by itself has put out; nil where it did not end well.
    package func output(of command: String) async throws -> [UInt8]? {
        let channel = try await open(command)
        var bytes: [UInt8] = []
        while let piece = try await channel.read() {
            if case .output(let more) = piece { bytes += more }
        }
        let end = await channel.close()
        return end.isClean && end.exitStatus == 0 && end.signal == nil ? bytes : nil
    }

    /// Ends the connection in order; returns once nothing of it is left. Every wait on it ends with `connection_lost`.
    package func disconnect() async {
        // Where the session has ended already there is nothing to wait for.
        try? await link.performShielded { loop, completion in loop.stop(completion) }
    }

    /// Ends the connection in order, and at once where that takes longer.
    package func disconnect(within limit: Duration) async {
        let ended: Void? = try? await withinLimit(limit) { await self.disconnect() }
        if ended == nil { abort() }
    }

    /// Ends the connection at once, without a word to the other side. Every wait on it ends with `connection_lost`.
    package func abort() {
        link.abort()
    }
}

/// How long one step of connecting may take; the deadline of the whole comes on top.
package struct SSHLimits: Sendable {
    /// From an accepted connection to the server's first line.
    package var banner: Duration
    /// The key exchange and the authentication.
    package var handshake: Duration

    package init(banner: Duration = .seconds(10), handshake: Duration = .seconds(20)) {
        self.banner = banner
        self.handshake = handshake
    }
}

/// A command on the runner.
package final class SSHChannel: RemoteChannel {
    /// Bytes that went through so far, headers of SSH not counted.
    package let counters: TransferCounters
    private let id: Int
    /// Held, so that the connection lasts as long as its channels.
    private let connection: SSHConnection
    private let link: SessionLink
    private let end = Mutex<RemoteEnd?>(nil)

    fileprivate init(id: Int, connection: SSHConnection, link: SessionLink, counters: TransferCounters) {
        self.id = id
        self.connection = connection
        self.link = link
        self.counters = counters
    }

    deinit {
        guard end.withLock({ $0 == nil }) else { return }
        let id = id
        _ = link.post { $0.close(id, nil) }
    }

    package var sentBytes: Int { counters.sent }
    package var receivedBytes: Int { counters.received }

    package func write(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        let id = id
        try await link.perform { loop, completion in loop.write(bytes, to: id, completion) }
    }

    package func closeInput() async throws {
        let id = id
        try await link.perform { loop, completion in loop.closeInput(of: id, completion) }
    }

    package func read() async throws -> RemoteOutput? {
        let id = id
        return try await link.perform { loop, completion in loop.read(from: id, completion) }
    }

    package func pump(input: Int32, output: Int32) async throws -> PumpResult {
        let id = id
        return try await link.perform { loop, completion in loop.pump(id, input: input, output: output, completion) }
    }

    package func close() async -> RemoteEnd {
        if let end = end.withLock({ $0 }) { return end }
        let id = id
        let lost = RemoteEnd(isClean: false, exitStatus: nil, signal: nil)
        let told = (try? await link.performShielded { loop, completion in loop.close(id, completion) }) ?? lost
        return end.withLock { end in
            // Of several that close at once, the first learns the end; for the others the channel may be gone already.
            if let end { return end }
            end = told
            return told
        }
    }
}
