/// How the engine is to run the steps of a Dockerfile: as directives or flags say it.
package struct StepSettings: Equatable, Sendable {
    /// The network of RUN steps.
    package enum Network: String, CaseIterable, Sendable {
        case `default`, none, host
    }

    /// Whether images are asked for at their registry, also where the engine has them.
    package var pulls = false
    /// The stages whose steps are run anew.
    package var uncachedStages: [String] = []
    /// Addresses by host name, for /etc/hosts of RUN steps.
    package var hosts: [String: String] = [:]
    /// Each as `TYPE=SOFT[:HARD]`.
    package var ulimits: [String] = []
    /// Of /dev/shm.
    package var sharedMemory: MemorySize?
    package var network: Network?
    /// What the build may do beyond what a build may: each as buildctl is told it.
    package var entitlements: [String] = []

    package init() {}

    init(_ record: inout RecordReader) throws(SchemaViolation) {
        pulls = try record.optional("pull")?.bool() ?? false
        uncachedStages = try record.optional("no_cache_filter")?.list(of: .stage) ?? []
        hosts =
            try record.optional("add_hosts")?.dictionary(names: .hostName) {
                (value) throws(SchemaViolation) in try value.text(.ipAddress)
            } ?? [:]
        ulimits = try record.optional("ulimits")?.list(of: .ulimit) ?? []
        sharedMemory = try record.optional("shm_size").map { (node) throws(SchemaViolation) in
            guard let size = MemorySize(try node.string()) else { throw node.violation(TextRule.memorySize.sentence) }
            return size
        }
        network = try record.optional("network")?.choice(of: Network.self)
        entitlements = try record.optional("allow")?.list(of: .entitlement) ?? []
    }
}

/// A size as Docker writes it: bytes, or a number with a unit of which each is 1,024 of the one before it.
package struct MemorySize: Equatable, Sendable {
    /// As it was written.
    package let text: String
    package let bytes: Int

    private static let units = "bkmgt"

    package init?(_ text: String) {
        let digits = text.utf8.prefix(while: Identifier.isDigit)
        guard digits.first != UInt8(ascii: "0"), let number = Int(Substring(digits)) else { return nil }
        var unit = text.utf8.dropFirst(digits.count).map { $0 | 0x20 }[...]
        if unit.count == 2, unit.first != UInt8(ascii: "b"), unit.last == UInt8(ascii: "b") { unit.removeLast() }
        guard unit.count <= 1,
            let power = Self.units.utf8.enumerated().first(where: { $0.element == unit.first ?? 0x62 })
        else { return nil }
        // No size comes near the largest number.
        guard digits.count <= (power.offset == 0 ? 15 : 6) else { return nil }
        self.text = text
        bytes = number << (10 * power.offset)
    }
}
