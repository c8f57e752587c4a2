import LianModel
import LianSystem

/// Reads the configuration again while it serves: what can change without a restart does, and every runner stays. A
/// configuration that is not good changes nothing.
struct Reloading: Sendable {
    private let invocation: Invocation
    private let started: Options
    private let current: Guarded<Options>
    private let provider: any RunnerProvider
    private let fleet: Fleet
    private let volumes: Volumes?
    private let tokens: Tokens
    private let log: EventLog

    init(
        _ invocation: Invocation, _ options: Options, provider: any RunnerProvider, fleet: Fleet, volumes: Volumes?,
        tokens: Tokens, log: EventLog
    ) {
        self.invocation = invocation
        started = options
        current = Guarded(options)
        self.provider = provider
        self.fleet = fleet
        self.volumes = volumes
        self.tokens = tokens
        self.log = log
    }

    var options: Options { current.value }

    func run(showing server: HTTPServer) async {
        do {
            let new = try await invocation.options()
            try apply(
                new, try await new.identity(invocation.environment),
                try await new.providerSecret(invocation.environment), to: server)
        } catch {
            // It is to end, and nobody waits for what it would have read.
            if Task.isCancelled { return }
            let reason = (error as? LianError)?.message ?? "\(error)"
            log.error("configuration_refused", "the configuration of before stays: \(reason)")
        }
    }

    private func apply(
        _ new: Options, _ identity: TLSIdentity?, _ providerSecret: [UInt8], to server: HTTPServer
    ) throws {
        // From tokens to the one token of before, or back, who may what changes altogether.
        let configured = try started.tokens == nil ? nil : new.tokens?.map(Token.init)
        let limits = try volumes.map { volumes in
            try Volumes.Limits(
                eachGB: new.volumeGB, allGB: new.volumesGB, days: new.volumeDays, on: volumes.storage)
        }
        try provider.renew(providerSecret)
        // From here on nothing fails, so that all of it counts or nothing.
        if let configured { tokens.replace(by: configured) }
        // A server that began without TLS goes on without.
        if started.tls != nil, let identity { server.reload(identity) }
        fleet.allow(new.capacity)
        if let limits { volumes?.limit(limits) }
        current.set(new)
        let late = started.fieldsOnlyReadAtStart(changedIn: new)
        var fields = configured == nil ? [:] : new.tokens.map(Options.fields) ?? [:]
        fields["capacity"] = .integer(new.capacity)
        log.info("configured", "\(new.config ?? "the configuration") is read again", fields)
        if !late.isEmpty {
            log.warning(
                "needs_restart", "what changed of these counts from the next start on: \(late.joined(separator: ", "))")
        }
    }
}

extension Options {
    /// The fields that differ, and that a running orchestrator does not change.
    fileprivate func fieldsOnlyReadAtStart(changedIn new: Options) -> [String] {
        let fields: [(name: String, isSame: Bool)] = [
            ("listen", listen == new.listen), ("state", state == new.state), ("tls", (tls == nil) == (new.tls == nil)),
            ("providers", engine == new.engine && providerName == new.providerName && isOnSameMachines(as: new)),
            ("volumes.kind", volumes == new.volumes), ("volumes.file_gb", volumesFileGB == new.volumesFileGB),
            ("log", log == new.log), ("public_url", publicURL == new.publicURL),
            ("history_days", historyDays == new.historyDays),
            ("token_file", tokenFile == new.tokenFile),
            ("tokens", (tokens == nil) == (new.tokens == nil)),
        ]
        return fields.filter { !$0.isSame }.map(\.name)
    }

    private func isOnSameMachines(as new: Options) -> Bool { lxd == new.lxd && hcloud == new.hcloud }
}
