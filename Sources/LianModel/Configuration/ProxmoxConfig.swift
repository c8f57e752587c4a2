/// How runners are made as virtual machines of Proxmox VE.
package struct ProxmoxConfig: Equatable, Sendable {
    package enum Clone: String, CaseIterable, Sendable { case linked, full }

    package var endpoint: HTTPURL
    package var token: SecretSource
    /// That of the node which answers at the endpoint; nil where an authority vouches for it.
    package var serverCertificate: String?
    /// Tried in order.
    package var nodes: [String]
    /// A template's name, or its VMID.
    package var template: String
    package var clone: Clone
    /// What is made is in this pool, and has a VMID of these: they are for nobody else.
    package var pool: String
    package var vmids: ClosedRange<Int>
    /// Where the disks of a full clone go; nil where the template's are.
    package var storage: String?
    /// nil where the template's network is kept.
    package var bridge: String?

    package static let nodeCount = 1...20
    package static let vmidRange = 100...999_999_999

    static let fields = [
        "endpoint", "token", "server_certificate", "nodes", "template", "clone", "pool", "vmids", "storage", "bridge",
    ]

    init(_ node: JSONNode, _ record: inout RecordReader) throws(SchemaViolation) {
        let endpoint = try record.optional("endpoint").map { (node) throws(SchemaViolation) in
            try HCloudConfig.endpoint(node)
        }
        let token = try record.optional("token").map { (node) throws(SchemaViolation) in try VaultKeyRef(node).source }
        serverCertificate = try record.optional("server_certificate")?.text(.file)
        let nodes = try record.optional("nodes").map { (node) throws(SchemaViolation) in
            try node.requireCount(in: Self.nodeCount)
            return try node.list(of: .plainWord)
        }
        let template = try record.optional("template")?.text(.plainWord)
        clone = try record.optional("clone")?.choice(of: Clone.self) ?? .linked
        let pool = try record.optional("pool")?.text(.plainWord)
        let vmids = try record.optional("vmids").map { (node) throws(SchemaViolation) in try Self.vmids(node) }
        storage = try record.optional("storage")?.text(.plainWord)
        bridge = try record.optional("bridge")?.text(.plainWord)
        guard let endpoint, let token, let nodes, let template, let pool, let vmids else {
            throw node.violation(Self.wholeRule)
        }
        guard storage == nil || clone == .full else { throw node.violation(Self.storageRule) }
        (self.endpoint, self.token, self.nodes, self.template) = (endpoint, token, nodes, template)
        (self.pool, self.vmids) = (pool, vmids)
    }

    private static func vmids(_ node: JSONNode) throws(SchemaViolation) -> ClosedRange<Int> {
        var record = try node.record()
        let first = try record.required("first").integer(in: vmidRange)
        let last = try record.required("last").integer(in: vmidRange)
        try record.close()
        guard first <= last else { throw node.violation(vmidsRule) }
        return first...last
    }

    private static let wholeRule =
        "must have an endpoint, a token, nodes, a template, a pool and vmids: docs/providers.md has an example"
    private static let storageRule =
        "must have a storage only where clone is full: a linked clone is where its template is"
    private static let vmidsRule = "must end where it begins, or later"
}
