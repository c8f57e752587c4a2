/// How runners are made as servers of Hetzner Cloud.
package struct HCloudConfig: Equatable, Sendable {
    package var endpoint: HTTPURL
    package var token: SecretSource
    /// By the tier that is asked for, the cloud's own types for it, tried in order: clouds retire names.
    package var types: [String: [String]]
    /// Tried in order.
    package var locations: [String]
    /// A system image's name, or a snapshot's number.
    package var image: String
    /// Another one that builds may name.
    package var furtherImage: String?
    package var networks: [String]
    package var firewalls: [String]
    package var placementGroup: String?
    /// Without it runners are reached by the first network.
    package var hasPublicIPv4: Bool
    /// Beside those that mark what is made.
    package var labels: [String: String]

    package static let nameCount = 1...20
    package static let defaultEndpoint = "https://api.hetzner.cloud/v1"

    static let fields = [
        "endpoint", "token", "types", "locations", "image", "networks", "firewalls", "placement_group", "public_ipv4",
        "labels",
    ]

    init(_ node: JSONNode, _ record: inout RecordReader) throws(SchemaViolation) {
        endpoint = try Self.endpoint(try record.optional("endpoint") ?? JSONNode(.string(Self.defaultEndpoint)))
        let token = try record.optional("token").map { (node) throws(SchemaViolation) in try VaultKeyRef(node).source }
        let types = try record.optional("types")?.dictionary(names: .slug) { (node) throws(SchemaViolation) in
            try Self.types(node)
        }
        let locations = try Self.names(record.optional("locations"))
        let image = try record.optional("image")?.text(.plainWord)
        networks = try Self.names(record.optional("networks")) ?? []
        firewalls = try Self.names(record.optional("firewalls")) ?? []
        placementGroup = try record.optional("placement_group")?.text(.plainWord)
        hasPublicIPv4 = try record.optional("public_ipv4")?.bool() ?? true
        labels =
            try record.optional("labels")?.dictionary(names: .slug) { (node) throws(SchemaViolation) in
                try node.slug()
            } ?? [:]
        guard let token, let types, !types.isEmpty, let locations, let image else {
            throw node.violation(Self.wholeRule)
        }
        guard hasPublicIPv4 || !networks.isEmpty else { throw node.violation(Self.reachRule) }
        guard !labels.keys.contains(where: { $0.hasPrefix("lian-") }) else { throw node.violation(Self.labelRule) }
        (self.token, self.types, self.locations, self.image) = (token, types, locations, image)
    }

    /// Of an API to which a token travels.
    static func endpoint(_ node: JSONNode) throws(SchemaViolation) -> HTTPURL {
        let text = try node.text(.orchestratorURL)
        guard let url = try? HTTPURL(text), url.scheme == .https || url.isLoopback else {
            throw node.violation(endpointRule)
        }
        return url
    }

    private static func names(_ node: JSONNode?) throws(SchemaViolation) -> [String]? {
        guard let node else { return nil }
        try node.requireCount(in: nameCount)
        return try node.list(of: .plainWord)
    }

    /// One type, or several.
    private static func types(_ node: JSONNode) throws(SchemaViolation) -> [String] {
        let types = (node.value.arrayValue ?? [node.value]).compactMap(\.stringValue)
        guard types.count == node.value.arrayValue?.count ?? 1, nameCount.contains(types.count),
            types.allSatisfy(TextRule.plainWord.holds)
        else { throw node.violation(typesRule) }
        return types
    }

    private static let wholeRule = "must have a token, types, locations and an image: docs/providers.md has an example"
    private static let reachRule = "must have networks where public_ipv4 is false: runners are reached by the first one"
    private static let labelRule = "must have no labels that begin with lian-: they mark what the orchestrator makes"
    private static let endpointRule = "must be https://…, since the token travels there"
    private static let typesRule = "must be a server type, or a list of 1 to 20 of them"
}
