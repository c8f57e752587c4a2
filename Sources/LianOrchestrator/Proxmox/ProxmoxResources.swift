import LianModel

/// What the cluster has, as it lists it in one answer.
struct ProxmoxResources: Sendable {
    struct Node: Sendable {
        let name: String
        let isOnline: Bool
        /// In bytes; nil where the token may not see it.
        let memory: Int?
        let usedMemory: Int
    }

    /// A virtual machine, or a container.
    struct Guest: Sendable {
        let vmid: Int
        let node: String
        let name: String?
        let isMachine: Bool
        let isTemplate: Bool
        let status: String
        let memory: Int
        let pool: String?
        let tags: [String]
    }

    struct Storage: Sendable {
        let name: String
        let node: String
    }

    let nodes: [Node]
    let guests: [Guest]
    let storages: [Storage]

    init(_ json: JSONValue) {
        let all = json.arrayValue ?? []
        nodes = all.compactMap { one in
            guard one["type"] == "node", let name = one["node"]?.stringValue else { return nil }
            return Node(
                name: name, isOnline: one["status"] == "online", memory: one["maxmem"]?.amountValue,
                usedMemory: one["mem"]?.amountValue ?? 0)
        }
        guests = all.compactMap { one in
            guard let type = one["type"]?.stringValue, ["qemu", "lxc"].contains(type),
                let vmid = one["vmid"]?.intValue, let node = one["node"]?.stringValue
            else { return nil }
            let tags = one["tags"]?.stringValue ?? ""
            return Guest(
                vmid: vmid, node: node, name: one["name"]?.stringValue, isMachine: type == "qemu",
                isTemplate: one["template"]?.isTrue ?? false, status: one["status"]?.stringValue ?? "",
                memory: one["maxmem"]?.amountValue ?? 0,
                pool: one["pool"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 },
                tags: tags.split { ";, ".contains($0) }.map(String.init))
        }
        storages = all.compactMap { one in
            guard one["type"] == "storage", let name = one["storage"]?.stringValue, let node = one["node"]?.stringValue
            else { return nil }
            return Storage(name: name, node: node)
        }
    }

    /// The template for what is to be on the node: its own where there is one of that name.
    func template(_ wanted: String, for node: String) -> Guest? {
        let found = guests.filter { $0.isMachine && $0.isTemplate && ($0.name == wanted || String($0.vmid) == wanted) }
        return found.first { $0.node == node } ?? found.first
    }
}

extension JSONValue {
    /// Proxmox writes 1 and 0.
    fileprivate var isTrue: Bool { intValue == 1 || boolValue == true || stringValue == "1" }
}

/// A virtual machine of an orchestrator's.
struct ProxmoxMachine: CloudMachine {
    let vmid: Int
    let node: String
    let marks: Marks?
    var status: String
    var host: String?
    /// Whether the boot script was handed over.
    var isBegun = false

    var name: String { "VM \(vmid) on \(node)" }
    var hasEnded: Bool { status == "stopped" }

    /// Of its API.
    var path: String { "/nodes/\(percentEncoded(node))/qemu/\(vmid)" }

    private static let orchestratorTag = "lian-orchestrator."
    private static let runnerTag = "lian-runner."

    static func tags(of marks: Marks) -> [String] {
        [orchestratorTag + marks.orchestrator, runnerTag + marks.runner]
    }

    /// As `tags` or a description's words tell them; nil where one is missing.
    static func marks(in words: [String]) -> Marks? {
        func value(_ mark: String) -> String? {
            words.first { $0.hasPrefix(mark) }.map { String($0.dropFirst(mark.count)) }
        }
        guard let orchestrator = value(orchestratorTag), let runner = value(runnerTag) else { return nil }
        return Marks(orchestrator: orchestrator, runner: runner)
    }

    static func areMarked(_ tags: [String]) -> Bool {
        tags.contains { $0.hasPrefix(orchestratorTag) || $0.hasPrefix(runnerTag) }
    }
}
