import LianFlags
import LianModel
import LianSystem

/// What the orchestrator was asked to do: a flag beats the configuration, and that the default.
package struct Options: Equatable, Sendable {
    package enum Action: Equatable, Sendable {
        case serve, sweep, check, newToken, hashToken, help, version, completions(Shell)
        /// By the name or the kind of a provider.
        case tryOut(String)
    }
    package typealias OnStop = OrchestratorConfig.OnStop

    package var action = Action.serve
    /// The configuration's file; nil where there is none.
    package var config: String?
    package var state: String?
    package var listen = ListenAddress(host: "127.0.0.1", port: 9011)
    package var publicURL: String?
    package var tokenFile: String?
    /// nil where one token may everything.
    package var tokens: [TokenConfig]?
    package var tls: TLSConfig?
    package var allowsInsecureHTTP = false
    /// Those that serve, the first choice first; one at least.
    package var providers = [ProviderPlan(name: ProviderConfig.Kind.local.rawValue, .here(.auto))]
    package var capacity = 16
    package var onStop = OnStop.destroy
    package var volumes = VolumesChoice.auto
    package var volumeGB = 50
    /// nil: 200, or half of the disk if that is less.
    package var volumesGB: Int?
    package var volumeDays = 10
    /// nil: half of what is free, 100 at most.
    package var volumesFileGB: Int?
    package var historyDays = HistoryLimits().days
    package var log: EventLog.Form?
    /// nil: it publishes nothing.
    package var events: EventsPlan?

    package init() {}

    /// `file` is the configuration that the arguments name, as it was read; its paths begin in the folder.
    package init(
        _ arguments: [String], configuredBy file: OrchestratorConfig? = nil, in folder: String = "/"
    ) throws(LianError) {
        let syntax = CommandSyntax.lianOrchestrator
        if let question = syntax.question(in: arguments) {
            action = question == .help ? .help : .version
            return
        }
        let parsed = try ArgumentParser.parse(arguments, for: syntax, environment: [:])
        let reader = ArgumentReader(parsed)
        let actions: [(flag: String, action: Action)] = [
            ("--sweep", .sweep), ("--check", .check), ("--new-token", .newToken), ("--hash-token", .hashToken),
            ("--try", .tryOut(parsed.value("--try") ?? "")),
        ]
        let asked = actions.filter { parsed.has($0.flag) }
        guard asked.count <= 1 else { throw reader.refusal(asked[0].flag, "and \(asked[1].flag) exclude each other") }
        action = asked.first?.action ?? action
        if let shell: Shell = try reader.choice(Flag.completions.name) { action = .completions(shell) }
        config = try reader.path("--config")
        state = try reader.path("--state") ?? file?.state.map { absolutePath($0, from: folder) }
        tokenFile = try reader.path("--token-file") ?? file?.tokenFile.map { absolutePath($0, from: folder) }
        tokens = parsed.has("--token-file") ? nil : file?.tokens
        if let text = parsed.value("--listen") ?? file?.listen {
            guard let address = ListenAddress(text) else {
                throw reader.refusal("--listen", "\(TextRule.listenAddress.sentence), not '\(text)'")
            }
            listen = address
        }
        publicURL = file?.publicURL
        tls = try Self.tls(reader) ?? file?.tls.map { $0.beginning(in: folder) }
        allowsInsecureHTTP = parsed.has("--insecure-http") || file?.insecureHTTP == true
        let isWhole = config == nil || file != nil
        guard !isWhole || listen.isLoopback || tls != nil || allowsInsecureHTTP || ![.serve, .check].contains(action)
        else {
            throw Self.plainHTTP(parsed.has("--listen") || file?.listen == nil ? nil : config, reader)
        }
        providers = file?.providers?.map { ProviderPlan($0, in: folder) } ?? providers
        if let engine: EngineChoice = try reader.choice("--engine") { try choose(engine, reader) }
        capacity = try reader.integer("--capacity", in: OrchestratorConfig.runnerCount) ?? file?.capacity ?? capacity
        if providers.count == 1, let own = providers[0].capacity { capacity = min(capacity, own) }
        onStop = try reader.choice("--on-stop") ?? file?.onStop ?? onStop
        let gigabytes = OrchestratorConfig.gigabytes
        volumes = try reader.choice("--volumes") ?? file?.volumes?.kind ?? volumes
        volumeGB = try reader.integer("--volume-gb", in: gigabytes) ?? file?.volumes?.eachGB ?? volumeGB
        volumesGB = try reader.integer("--volumes-gb", in: gigabytes) ?? file?.volumes?.allGB
        volumeDays =
            try reader.integer("--volume-days", in: OrchestratorConfig.days) ?? file?.volumes?.days ?? volumeDays
        volumesFileGB = try reader.integer("--volumes-file-gb", in: gigabytes) ?? file?.volumes?.fileGB
        historyDays =
            try reader.integer("--history-days", in: OrchestratorConfig.days) ?? file?.historyDays ?? historyDays
        log = try reader.choice("--log") ?? file?.log
        events = file?.nats.map { EventsPlan($0, in: folder) }
    }

    /// As `--engine` says: of the one provider that there is. Among several it would not be clear which is meant.
    private mutating func choose(_ engine: EngineChoice, _ reader: ArgumentReader) throws(LianError) {
        if providers.count == 1, providers[0].isHere {
            providers[0].machines = .here(engine)
            return
        }
        guard engine == .auto else {
            let named = providers.count > 1 ? "several providers: say there which engine each has" : "other machines"
            throw reader.refusal("--engine", "is of runners on this machine, and the configuration names \(named)")
        }
    }

    /// How many runners there may be.
    package var places: Places {
        var places = Places(all: capacity)
        if providers.count > 1 {
            for provider in providers { places.ofProviders[provider.name] = provider.capacity }
        }
        for provider in providers { places.standby[provider.name] = provider.standby }
        return places
    }

    /// Where a configuration says where to listen, it is the place to mend that.
    private static func plainHTTP(_ config: String?, _ reader: ArgumentReader) -> LianError {
        let problem = "would serve plain HTTP to other machines, and their tokens with it: serve HTTPS by"
        let exception = "where something in front of it speaks TLS"
        guard let config else {
            return reader.refusal(
                "--listen", "\(problem) --tls-certificate and --tls-key, or say --insecure-http \(exception)")
        }
        return LianError(
            .directivesInvalid, .resolve,
            "\(config): listen: \(problem) tls, or say insecure_http = true \(exception)",
            hint: "docs/orchestrator.md#tls shows such a configuration.")
    }

    private static func tls(_ reader: ArgumentReader) throws(LianError) -> TLSConfig? {
        switch (try reader.path("--tls-certificate"), try reader.path("--tls-key")) {
        case (let certificate?, let key?): return TLSConfig(certificate: certificate, key: .file(key))
        case (nil, nil): return nil
        case (_?, nil): throw reader.refusal("--tls-certificate", "needs the certificate's key too: --tls-key FILE")
        case (nil, _?): throw reader.refusal("--tls-key", "needs its certificate too: --tls-certificate FILE")
        }
    }
}

extension TLSConfig {
    fileprivate func beginning(in folder: String) -> TLSConfig {
        TLSConfig(certificate: absolutePath(certificate, from: folder), key: key.beginning(in: folder))
    }
}
