/// Where runners come from.
package struct ProviderConfig: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// This machine, with an engine for each runner.
        case local
        /// This machine, with the Docker daemon of whoever runs the orchestrator for all runners.
        case dockerLocal = "docker-local"
        /// Containers on an LXD or Incus cluster.
        case lxd
        /// Servers of Hetzner Cloud.
        case hcloud
        /// Virtual machines of Proxmox VE.
        case proxmox
    }

    /// Which engine each runner of this machine gets.
    package enum Engine: String, CaseIterable, Sendable { case auto, buildkit, dockerd }

    package let kind: Kind
    /// Its kind where it is not said.
    package let name: String
    package let engine: Engine?
    package let capacity: Int?
    /// Of kind lxd alone, which always has it.
    package private(set) var lxd: LXDConfig?
    /// Of kind hcloud alone, which always has it.
    package private(set) var hcloud: HCloudConfig?
    /// Of kind proxmox alone, which always has it.
    package private(set) var proxmox: ProxmoxConfig?
    /// nil where no machine waits for builds.
    package let standby: StandbyConfig?

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        kind = try record.required("kind").choice(of: Kind.self)
        name = try record.optional("name")?.slug() ?? kind.rawValue
        engine = try record.optional("engine")?.choice(of: Engine.self)
        capacity = try record.optional("capacity")?.integer(in: OrchestratorConfig.runnerCount)
        lxd = kind == .lxd ? try LXDConfig(node, &record) : nil
        hcloud = kind == .hcloud ? try HCloudConfig(node, &record) : nil
        proxmox = kind == .proxmox ? try ProxmoxConfig(node, &record) : nil
        for field in ["standby", "standby_minutes"] where try record.optional(field) != nil && kind.isOfThisMachine {
            throw node.violation(Self.standbyRule)
        }
        standby = try StandbyConfig(of: node, image: lxd?.image ?? hcloud?.image ?? proxmox?.template, &record)
        lxd?.furtherImage = standby?.image
        hcloud?.furtherImage = standby?.image
        for (owner, rule) in [
            (Kind.lxd, Self.clusterRule), (.hcloud, Self.cloudRule), (.proxmox, Self.proxmoxRule),
        ] where kind != owner {
            for field in owner.fields where try record.optional(field) != nil && !kind.fields.contains(field) {
                throw node.violation(rule)
            }
        }
        try record.close()
        guard engine == nil || kind == .local else { throw node.violation(Self.engineRule) }
    }

    private static let engineRule = "must not have an engine: that is a matter of the kind local alone"
    private static let standbyRule = "must not have standby: runners of this machine have nothing to boot"
    private static let clusterRule = "must not have fields of a cluster: they are of the kind lxd"
    private static let cloudRule = "must not have fields of a cloud: they are of the kind hcloud"
    private static let proxmoxRule = "must not have fields of Proxmox: they are of the kind proxmox"

    static func requireOneOfAName(_ providers: [ProviderConfig], at node: JSONNode) throws(SchemaViolation) {
        let names = providers.map(\.name)
        guard Set(names).count == names.count else {
            throw node.violation("must differ in their names; one without a name is called as its kind")
        }
    }
}

extension ProviderConfig.Kind {
    package var isOfThisMachine: Bool { self == .local || self == .dockerLocal }

    /// Beside those that all kinds have.
    fileprivate var fields: [String] {
        switch self {
        case .local, .dockerLocal: []
        case .lxd: LXDConfig.fields
        case .hcloud: HCloudConfig.fields
        case .proxmox: ProxmoxConfig.fields
        }
    }
}
