import LianModel
import LianSystem

/// Reads the configuration again while it serves: what can change without a restart does, and every runner stays. A
/// configuration that is not good changes nothing.
struct Reloading: Sendable {
    private let invocation: Invocation
    private let started: Options
    private let current: Guarded<Options>
    private let providers: Providers
    private let fleet: Fleet
    private let volumes: Volumes
    private let tokens: Tokens
    private let log: EventLog

    init(
        _ invocation: Invocation, _ options: Options, providers: Providers, fleet: Fleet, volumes: Volumes,
        tokens: Tokens, log: EventLog
    ) {
        self.invocation = invocation
        started = options
        current = Guarded(options)
        self.providers = providers
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
                new, try await new.identity(invocation.environment), try await secrets(of: new), to: server)
        } catch {
            // It is to end, and nobody waits for what it would have read.
            if Task.isCancelled { return }
            let reason = (error as? LianError)?.message ?? "\(error)"
            log.error("configuration_refused", "the configuration of before stays: \(reason)")
        }
    }

    /// By which the providers are known to what makes their machines, as they are now. One that is not there yet reads
    /// its own when it is tried again.
    private func secrets(of new: Options) async throws -> [(any RunnerProvider, [UInt8])] {
        var secrets: [(any RunnerProvider, [UInt8])] = []
        for plan in new.providers where started.providers.contains(where: { $0.beyondPlaces == plan.beyondPlaces }) {
            guard let provider = providers.all.first(where: { $0.name == plan.name })?.current else { continue }
            secrets.append((provider, try await plan.secret(invocation.environment)))
        }
        return secrets
    }

    /// A provider goes on as it was started, and with it the machines that it has on standby.
    private func places(of new: Options) -> Places {
        var places = new.places
        for plan in new.providers where !started.providers.contains(where: { $0.beyondPlaces == plan.beyondPlaces }) {
            places.standby[plan.name] = started.providers.first { $0.name == plan.name }?.standby
        }
        return places
    }

    private func apply(
        _ new: Options, _ identity: TLSIdentity?, _ secrets: [(any RunnerProvider, [UInt8])],
        to server: HTTPServer
    ) throws {
        // From tokens to the one token of before, or back, who may what changes altogether.
        // What the environment says does not change while a process runs.
        let ofFile = try new.givenToken([:]).map { [Token.ofAll($0.token)] }
        let configured = try started.tokens == nil ? ofFile : new.tokens?.map(Token.init)
        for (provider, secret) in secrets { try provider.renew(secret) }
        // From here on nothing fails, so that all of it counts or nothing.
        if let configured { tokens.replace(by: configured) }
        // A server that began without TLS goes on without.
        if started.tls != nil, let identity { server.reload(identity) }
        fleet.allow(places(of: new))
        volumes.limit(new.volumeLimits)
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
    var volumeLimits: Volumes.Limits {
        Volumes.Limits(each: volumeGB << 30, all: volumesGB.map { $0 << 30 }, days: volumeDays)
    }

    /// The fields that differ, and that a running orchestrator does not change.
    fileprivate func fieldsOnlyReadAtStart(changedIn new: Options) -> [String] {
        let fields: [(name: String, isSame: Bool)] = [
            ("listen", listen == new.listen), ("state", state == new.state), ("tls", (tls == nil) == (new.tls == nil)),
            ("providers", providers.map(\.beyondPlaces) == new.providers.map(\.beyondPlaces)),
            ("volumes.kind", volumes == new.volumes), ("volumes.file_gb", volumesFileGB == new.volumesFileGB),
            ("log", log == new.log), ("public_url", publicURL == new.publicURL),
            ("history_days", historyDays == new.historyDays),
            ("nats", events == new.events),
            ("token_file", (tokenFile == nil) == (new.tokenFile == nil)),
            ("tokens", (tokens == nil) == (new.tokens == nil)),
        ]
        return fields.filter { !$0.isSame }.map(\.name)
    }
}

extension ProviderPlan {
    /// What of it counts from the next start on.
    fileprivate var beyondPlaces: ProviderPlan { ProviderPlan(name: name, machines) }
}
