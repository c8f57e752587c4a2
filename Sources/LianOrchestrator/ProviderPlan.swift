import LianConfiguration
import LianHTTP
import LianModel
import LianSystem

/// A provider as the configuration describes it, or the flags where there is none.
package struct ProviderPlan: Equatable, Sendable {
    package enum Machines: Equatable, Sendable {
        /// The orchestrator's own machine.
        case here(EngineChoice)
        case lxd(LXDConfig)
        case hcloud(HCloudConfig)
        case proxmox(ProxmoxConfig)
    }

    package let name: String
    package var machines: Machines
    /// nil where only the capacity of all limits it.
    package let capacity: Int?
    /// nil where no machine waits for builds.
    package let standby: StandbyConfig?

    package init(name: String, _ machines: Machines, capacity: Int? = nil, standby: StandbyConfig? = nil) {
        self.name = name
        self.machines = machines
        self.capacity = capacity
        self.standby = standby
    }

    /// Paths begin in the folder.
    init(_ config: ProviderConfig, in folder: String) {
        let engine = config.engine.flatMap { EngineChoice(rawValue: $0.rawValue) } ?? .auto
        let machines: Machines
        if let lxd = config.lxd {
            machines = .lxd(lxd.beginning(in: folder))
        } else if let hcloud = config.hcloud {
            machines = .hcloud(hcloud.beginning(in: folder))
        } else if let proxmox = config.proxmox {
            machines = .proxmox(proxmox.beginning(in: folder))
        } else {
            machines = .here(config.kind == .dockerLocal ? .docker : engine)
        }
        self.init(name: config.name, machines, capacity: config.capacity, standby: config.standby)
    }

    var kind: ProviderConfig.Kind {
        switch machines {
        case .here(let engine): engine == .docker ? .dockerLocal : .local
        case .lxd: .lxd
        case .hcloud: .hcloud
        case .proxmox: .proxmox
        }
    }

    var isHere: Bool { if case .here = machines { true } else { false } }
}

/// What all providers have of the orchestrator.
struct ProviderSurroundings: Sendable {
    let environment: [String: String]
    /// The orchestrator's id, which marks what is made.
    let orchestrator: String
    let state: String
    let remover: LocalRemover
    let log: EventLog
}

extension ProviderPlan {
    func served(in surroundings: ProviderSurroundings) -> ServedProvider {
        ServedProvider(name: name, kind: kind.rawValue) { () throws(ProviderError) in
            switch machines {
            case .here(let engine):
                try LocalProvider(
                    name: name, state: surroundings.state, engine: engine, environment: surroundings.environment,
                    remover: surroundings.remover, log: surroundings.log)
            case .lxd(let config):
                try cluster(config, surroundings.environment, orchestrator: surroundings.orchestrator)
            case .hcloud(let config):
                try cloud(config, surroundings.environment, orchestrator: surroundings.orchestrator)
            case .proxmox(let config):
                try proxmox(config, surroundings.environment, orchestrator: surroundings.orchestrator)
            }
        }
    }

    /// Asks the cluster for all that runners need of it; blocks.
    func cluster(
        _ config: LXDConfig, _ environment: [String: String], orchestrator: String
    ) throws(ProviderError) -> LXDProvider {
        try LXDProvider(name: name, config, key: secretNow(environment), orchestrator: orchestrator)
    }

    /// Asks the cloud for all that runners need of it; blocks.
    func cloud(
        _ config: HCloudConfig, _ environment: [String: String], orchestrator: String
    ) throws(ProviderError) -> HCloudProvider {
        try HCloudProvider(name: name, config, token: secretNow(environment), orchestrator: orchestrator)
    }

    /// Asks the cluster for all that runners need of it; blocks.
    func proxmox(
        _ config: ProxmoxConfig, _ environment: [String: String], orchestrator: String
    ) throws(ProviderError) -> ProxmoxProvider {
        try ProxmoxProvider(name: name, config, token: secretNow(environment), orchestrator: orchestrator)
    }

    private func secretNow(_ environment: [String: String]) throws(ProviderError) -> [UInt8] {
        do {
            return try waiting { try await secret(environment) }
        } catch let error as ProviderError {
            throw error
        } catch {
            throw ProviderError("\(error)")
        }
    }

    /// By which what makes the machines knows the orchestrator; empty where it needs none.
    func secret(_ environment: [String: String]) async throws -> [UInt8] {
        let secret: (source: SecretSource, what: String)
        switch machines {
        case .lxd(let config):
            guard case .network(let network) = config.door else { return [] }
            secret = (network.key, "the cluster's client_key")
        case .hcloud(let config): secret = (config.token, "the cloud's token")
        case .proxmox(let config): secret = (config.token, "the cluster's token")
        case .here: return []
        }
        do {
            let secrets = SecretReader(environment: environment, http: try HTTPClient())
            return try await secrets.value(at: secret.source, secret.what)
        } catch let error as LianError {
            throw ProviderError("\(error.message): \(error.hint)")
        }
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

extension ProxmoxConfig {
    fileprivate func beginning(in folder: String) -> ProxmoxConfig {
        var config = self
        config.token = token.beginning(in: folder)
        config.serverCertificate = serverCertificate.map { absolutePath($0, from: folder) }
        return config
    }
}

extension SecretSource {
    func beginning(in folder: String) -> SecretSource {
        if case .file(let path) = self { .file(absolutePath(path, from: folder)) } else { self }
    }
}
