import LianModel

/// What a token is good for.
package struct Token: Equatable, Sendable {
    package enum Role: String, CaseIterable, Sendable { case build, read, admin }
    package enum Layer: String, CaseIterable, Sendable { case ci, dev }

    /// The name by which the log calls it.
    package var name: String
    package var hash: TokenHash
    package var workspaces: [WorkspacePattern]
    package var layers: Set<Layer>
    package var role: Role
    /// How many runners it may have at once; nil where only the capacity limits them.
    package var maxRunners: Int?
    /// Milliseconds since 1970.
    package var expires: Int?
    /// False for the one token of an orchestrator without a configuration: its Idempotency-Keys are kept as they are
    /// sent, as they were before there were several.
    package var isOneOfMany: Bool

    package init(
        name: String, hash: TokenHash, workspaces: [WorkspacePattern], layers: Set<Layer>, role: Role,
        maxRunners: Int? = nil, expires: Int? = nil, isOneOfMany: Bool = true
    ) {
        self.name = name
        self.hash = hash
        self.workspaces = workspaces
        self.layers = layers
        self.role = role
        self.maxRunners = maxRunners
        self.expires = expires
        self.isOneOfMany = isOneOfMany
    }

    /// The one token where no others are configured: it may do everything.
    package static func ofAll(_ secret: String) -> Token {
        Token(
            name: "the orchestrator's token", hash: TokenHash(of: secret.utf8), workspaces: [.all],
            layers: Set(Layer.allCases), role: .admin, isOneOfMany: false)
    }

    package func sees(_ workspace: String) -> Bool {
        role == .admin || workspaces.contains { $0.matches(workspace) }
    }

    /// Whether nothing is hidden from it.
    package var seesAll: Bool { role == .admin || workspaces.contains(.all) }

    func may(_ layer: Layer) -> Bool { role == .admin || layers.contains(layer) }

    /// The key under which a request of this token is remembered: what another token calls the same is another one.
    func scoped(_ idempotencyKey: String) -> String { isOneOfMany ? "\(name)/\(idempotencyKey)" : idempotencyKey }
}

/// A workspace, or all whose names begin alike: `acme`, `acme-*`, `*`.
package struct WorkspacePattern: Equatable, Sendable {
    private let beginning: String
    private let isWhole: Bool

    package static let all = WorkspacePattern(beginning: "", isWhole: false)
    package static let rule = "must be a workspace, or the beginning of one with * behind it"

    private init(beginning: String, isWhole: Bool) {
        self.beginning = beginning
        self.isWhole = isWhole
    }

    /// nil where the text is no such pattern.
    package init?(_ text: String) {
        isWhole = !text.hasSuffix("*")
        beginning = isWhole ? text : String(text.dropLast())
        guard isWhole ? Identifier.isSlug(text) : Identifier.beginsSlug(beginning) else { return nil }
    }

    package func matches(_ workspace: String) -> Bool {
        isWhole ? workspace == beginning : workspace.hasPrefix(beginning)
    }
}
