import LianFlags
import LianModel
import LianSystem

/// What the orchestrator was asked to do: a flag beats the configuration, and that the default.
package struct Options: Equatable, Sendable {
    package enum Action: Equatable, Sendable {
        case serve, sweep, check, newToken, hashToken, help, version, completions(Shell)
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
    package var engine = EngineChoice.auto
    package var providerName = ProviderConfig.Kind.local.rawValue
    /// The cluster that runners are on; nil where they are on this machine.
    package var lxd: LXDConfig?
    /// The cloud that runners are servers of; nil where they are not.
    package var hcloud: HCloudConfig?
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
            throw reader.refusal(
                "--listen",
                "would serve plain HTTP to other machines, and their tokens with it: serve HTTPS by --tls-certificate and "
                    + "--tls-key, or say --insecure-http where something in front of it speaks TLS")
        }
        let provider = file?.providers?.first
        guard file?.providers?.count ?? 1 == 1 else {
            throw reader.refusal("--config", "names several providers, and one is served at a time")
        }
        providerName = provider?.name ?? providerName
        lxd = provider?.lxd?.beginning(in: folder)
        hcloud = provider?.hcloud?.beginning(in: folder)
        capacity = try reader.integer("--capacity", in: OrchestratorConfig.runnerCount) ?? file?.capacity ?? capacity
        capacity = min(capacity, provider?.capacity ?? capacity)
        engine = try reader.choice("--engine") ?? provider?.engineChoice ?? engine
        guard (lxd == nil && hcloud == nil) || engine == .auto else {
            throw reader.refusal("--engine", "is of runners on this machine, and the configuration names others")
        }
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

extension ProviderConfig {
    fileprivate var engineChoice: EngineChoice? {
        kind == .dockerLocal ? .docker : engine.flatMap { EngineChoice(rawValue: $0.rawValue) }
    }
}

extension TLSConfig {
    fileprivate func beginning(in folder: String) -> TLSConfig {
        TLSConfig(certificate: absolutePath(certificate, from: folder), key: key.beginning(in: folder))
    }
}

extension LXDConfig {
    fileprivate func beginning(in folder: String) -> LXDConfig {
        var config = self
        switch door {
        case .socket(let path):
            config.door = .socket(absolutePath(path, from: folder))
        case .network(var network):
            network.certificate = absolutePath(network.certificate, from: folder)
            network.serverCertificate = absolutePath(network.serverCertificate, from: folder)
            network.key = network.key.beginning(in: folder)
            config.door = .network(network)
        }
        return config
    }
}

extension HCloudConfig {
    fileprivate func beginning(in folder: String) -> HCloudConfig {
        var config = self
        config.token = token.beginning(in: folder)
        return config
    }
}

extension SecretSource {
    fileprivate func beginning(in folder: String) -> SecretSource {
        if case .file(let path) = self { .file(absolutePath(path, from: folder)) } else { self }
    }
}
