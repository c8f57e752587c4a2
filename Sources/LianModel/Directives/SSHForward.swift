/// An SSH agent of the caller's for the steps of a build: `RUN --mount=type=ssh,id=ID`.
package struct SSHForward: Equatable, Sendable {
    package enum Place: Hashable, Sendable {
        /// The socket that SSH_AUTH_SOCK names.
        case environment
        case socket(String)
        /// A private key's file, in the place of an agent.
        case key(String)

        /// Paths count by their bytes.
        private enum Key: Hashable {
            case environment, socket(TextBytes), key(TextBytes)
        }

        private var key: Key {
            switch self {
            case .environment: .environment
            case .socket(let path): .socket(TextBytes(path))
            case .key(let path): .key(TextBytes(path))
            }
        }

        package static func == (one: Place, other: Place) -> Bool { one.key == other.key }

        package func hash(into hasher: inout Hasher) { hasher.combine(key) }
    }

    package let id: String
    package let place: Place

    /// Whether steps and Git repositories that name no agent mean this one.
    package var isDefault: Bool { id == "default" }

    package init(id: String, place: Place) {
        self.id = id
        self.place = place
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        id = try record.required("id").text(.agentID)
        let socket = try record.optional("socket")?.text(.file)
        let key = try record.optional("key")?.text(.file)
        try record.close()
        guard socket == nil || key == nil else { throw node.violation("must have socket or key, not both") }
        place = socket.map(Place.socket) ?? key.map(Place.key) ?? .environment
    }

    static func list(_ node: JSONNode) throws(SchemaViolation) -> [SSHForward] {
        let forwards = try node.list { (item) throws(SchemaViolation) in try SSHForward(item) }
        try node.items().requireUnique("id")
        return forwards
    }
}
