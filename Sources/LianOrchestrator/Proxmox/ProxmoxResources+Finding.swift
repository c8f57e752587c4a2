import LianHTTP
import LianModel

extension ProxmoxResources {
    /// What the cluster has; throws what it lacks of the configuration, with what to do.
    static func find(_ config: ProxmoxConfig, by api: ProxmoxAPI) throws(ProxmoxFailure) -> ProxmoxResources {
        let found = ProxmoxResources(try api.ask(.get, "/cluster/resources"))
        let names = found.nodes.map(\.name)
        for name in config.nodes {
            guard let node = found.nodes.first(where: { $0.name == name }) else {
                throw lacking("the cluster has no node '\(name)': it has \(told(names))")
            }
            guard node.memory != nil || !node.isOnline else {
                throw lacking(
                    "the token may not see how much memory the node '\(name)' has: give it Sys.Audit on /nodes/\(name)")
            }
            guard let template = found.template(config.template, for: name) else {
                throw lacking(
                    "the cluster has no template '\(config.template)' that the token may see: scripts/runner-image proxmox "
                        + "makes one, and PVETemplateUser on /vms/VMID lets the token use it")
            }
            try requireAgent(of: template, by: api)
            let storages = found.storages.filter { $0.node == name }.map(\.name)
            if let storage = config.storage, !storages.contains(storage) {
                throw lacking(
                    "the node '\(name)' has no storage '\(storage)' that the token may see: it has \(told(storages))")
            }
        }
        let pools = (try api.ask(.get, "/pools").arrayValue ?? []).compactMap { $0["poolid"]?.stringValue }
        guard pools.contains(config.pool) else {
            throw lacking(
                "the cluster has no pool '\(config.pool)' that the token may see: make it by `pvesh create /pools --poolid "
                    + "\(config.pool)`, and give the token PVEVMAdmin and PVEPoolUser on /pool/\(config.pool)")
        }
        return found
    }

    /// By the agent a machine is told to become a runner.
    private static func requireAgent(of template: Guest, by api: ProxmoxAPI) throws(ProxmoxFailure) {
        let path = "/nodes/\(percentEncoded(template.node))/qemu/\(template.vmid)/config"
        let agent = try api.ask(.get, path)["agent"]?.stringValue ?? ""
        let isEnabled = agent.split(separator: ",").contains { $0 == "1" || $0 == "enabled=1" }
        guard isEnabled else {
            throw lacking(
                "the template '\(template.vmid)' has no guest agent, by which its machines are told what to become: install "
                    + "qemu-guest-agent there, and say `qm set \(template.vmid) --agent enabled=1`")
        }
    }

    private static func lacking(_ words: String) -> ProxmoxFailure { ProxmoxFailure(.lacking, words) }

    private static func told(_ names: [String]) -> String {
        names.isEmpty ? "none" : Set(names).sorted().prefix(20).joined(separator: ", ")
    }
}
