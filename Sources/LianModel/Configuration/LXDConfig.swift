/// Where an LXD or Incus cluster is, and how runners are made there.
package struct LXDConfig: Equatable, Sendable {
    package enum Door: Equatable, Sendable {
        /// The unix socket of a member on this machine.
        case socket(String)
        case network(Network)
    }

    package struct Network: Equatable, Sendable {
        /// Members, any of which answers for the cluster: tried in order.
        package var endpoints: [HTTPURL]
        package var certificate: String
        package var key: SecretSource
        /// The cluster's own certificate, by which it is known.
        package var serverCertificate: String
    }

    package var door: Door
    package var project: String?
    package var profiles: [String]?
    package var pool: String?
    package var image: String
    /// Another one that builds may name.
    package var furtherImage: String?
    /// The members that may be used; nil where all may be.
    package var members: [String]?
    package var memoryReserveGB: Int?
    /// Whether runners are virtual machines, and not containers.
    package var isVM: Bool

    package static let endpointCount = 1...16
    package static let nameCount = 1...100
    package static let reserve = 0...10_000

    static let fields = [
        "socket", "endpoints", "client_certificate", "client_key", "server_certificate", "project", "profiles", "pool",
        "image", "members", "memory_reserve_gb", "vm",
    ]

    init(_ node: JSONNode, _ record: inout RecordReader) throws(SchemaViolation) {
        door = try Self.door(node, &record)
        project = try record.optional("project")?.text(.plainWord)
        profiles = try record.optional("profiles").map { (node) throws(SchemaViolation) in try Self.names(node) }
        pool = try record.optional("pool")?.text(.plainWord)
        guard let alias = try record.optional("image") else { throw node.violation(Self.imageRule) }
        image = try alias.text(.plainWord)
        members = try record.optional("members").map { (node) throws(SchemaViolation) in try Self.names(node) }
        memoryReserveGB = try record.optional("memory_reserve_gb")?.integer(in: Self.reserve)
        isVM = try record.optional("vm")?.bool() ?? false
    }

    private static func names(_ node: JSONNode) throws(SchemaViolation) -> [String] {
        try node.requireCount(in: nameCount)
        return try node.list(of: .plainWord)
    }

    private static func door(_ node: JSONNode, _ record: inout RecordReader) throws(SchemaViolation) -> Door {
        let socket = try record.optional("socket")?.text(.file)
        let endpoints = try record.optional("endpoints").map { (list) throws(SchemaViolation) in
            try list.requireCount(in: endpointCount)
            return try list.list { (item) throws(SchemaViolation) in try endpoint(item) }
        }
        let certificate = try record.optional("client_certificate")?.text(.file)
        let key = try record.optional("client_key").map { (node) throws(SchemaViolation) in try VaultKeyRef(node).source
        }
        let serverCertificate = try record.optional("server_certificate")?.text(.file)
        switch (socket, endpoints, certificate, key, serverCertificate) {
        case (let socket?, nil, nil, nil, nil): return .socket(socket)
        case (nil, let endpoints?, let certificate?, let key?, let serverCertificate?):
            return .network(
                Network(
                    endpoints: endpoints, certificate: certificate, key: key, serverCertificate: serverCertificate))
        default: throw node.violation(doorRule)
        }
    }

    private static func endpoint(_ node: JSONNode) throws(SchemaViolation) -> HTTPURL {
        let text = try node.text(.orchestratorURL)
        guard let url = try? HTTPURL(text), url.scheme == .https, url.path.isEmpty else {
            throw node.violation(endpointRule)
        }
        return url
    }

    private static let imageRule = "must have the image of its runners: scripts/runner-image lxd makes one"
    private static let endpointRule = "must be https://HOST:PORT of a member"
    private static let doorRule =
        "must have a socket alone, or endpoints with client_certificate, client_key and server_certificate"
}
