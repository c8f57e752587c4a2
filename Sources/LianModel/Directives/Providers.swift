package struct ComputeProviderRef: Equatable, Sendable {
    /// By its name at the orchestrator, or by its kind.
    package let provider: String
    package let region: String?
    package let orchestratorURL: String?
    /// The ladder of sizes, smallest first; it replaces the built-in one.
    package let tiers: [TierSpec]?

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        provider = try record.required("provider").text(.slug)
        region = try record.optional("region")?.text(.line)
        orchestratorURL = try record.optional("orchestrator_url")?.text(.orchestratorURL)
        tiers = try record.optional("tiers").map(TierSpec.ladder)
        try record.close()
    }
}

package struct TierSpec: Equatable, Sendable {
    package let name: String
    package let cpu: Int
    package let memoryGB: Double
    /// nil where it was not said.
    package let diskGB: Double?

    package init(name: String, cpu: Int, memoryGB: Double, diskGB: Double? = nil) {
        self.name = name
        self.cpu = cpu
        self.memoryGB = memoryGB
        self.diskGB = diskGB
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        name = try record.required("name").text(.plainWord)
        cpu = try record.required("cpu").integer(in: SizeBounds.cpu)
        memoryGB = try record.required("memory_gb").number(in: SizeBounds.memoryGB)
        diskGB = try record.optional("disk_gb")?.number(in: SizeBounds.diskGB)
        try record.close()
    }

    fileprivate static func ladder(_ node: JSONNode) throws(SchemaViolation) -> [TierSpec] {
        let tiers = try node.list { (item) throws(SchemaViolation) in try TierSpec(item) }
        try node.requireCount(in: 1...32)
        let items = try node.items()
        try items.requireUnique("name")
        for (index, (before, tier)) in zip(tiers, tiers.dropFirst()).enumerated() {
            guard tier.cpu >= before.cpu, tier.memoryGB >= before.memoryGB,
                (tier.cpu, tier.memoryGB) != (before.cpu, before.memoryGB)
            else {
                throw items[index + 1].violation(
                    "must be larger than the tier before it: neither cpu nor memory_gb less, one of them more")
            }
        }
        return tiers
    }
}

package struct RegistryProviderRef: Equatable, Sendable {
    package enum Provider: String, CaseIterable, Sendable {
        case zot, harbor, ghcr, generic
    }

    package let provider: Provider
    package let endpoint: String
    package let namespace: String?
    /// Plain HTTP.
    package let insecure: Bool
    package let credential: VaultCredRef?

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        provider = try record.required("provider").choice(of: Provider.self)
        endpoint = try record.required("endpoint").text(.registryHost)
        namespace = try record.optional("namespace")?.text(.namespace)
        insecure = try record.optional("insecure")?.bool() ?? false
        credential = try record.optional("credential").map { (node) throws(SchemaViolation) in
            try VaultCredRef(node)
        }
        try record.close()
    }
}
