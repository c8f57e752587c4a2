import LianModel

/// A custom volume of a pool, as the cluster lists it.
struct LXDVolume: Equatable, Sendable {
    enum Key {
        /// What is kept: the id of the generation. What is being copied for it carries this key alone.
        static let generation = "user.lian.generation"
        static let isKept = "user.lian.kept"
        /// How the owners of its files are shifted. Without it a member would shift those of a copy once more.
        static let shifts = ["volatile.idmap.last", "volatile.idmap.next"]
    }

    let name: String
    let member: String
    let config: [String: JSONValue]

    init?(_ json: JSONValue) {
        guard let name = json["name"]?.stringValue, json["type"]?.stringValue == "custom" else { return nil }
        self.name = name
        member = json["location"]?.stringValue ?? LXDMember.alone
        config = json["config"]?.objectValue ?? [:]
    }

    var orchestrator: String? { text(LXDInstance.Key.orchestrator) }
    /// The runner that has it.
    var runner: String? { text(LXDInstance.Key.runner) }
    var generation: String? { text(Key.generation) }
    var isKept: Bool { text(Key.isKept) == "true" && generation != nil }

    /// The runner that has it, or whose volume is being copied: it is named as the generation that comes of it.
    var holder: String? { isKept ? nil : runner ?? generation }

    private func text(_ key: String) -> String? {
        config[key]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
    }
}
