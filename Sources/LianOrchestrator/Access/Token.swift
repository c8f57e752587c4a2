import LianModel
import LianSystem

/// What a token is good for.
package struct Token: Equatable, Sendable {
    package typealias Role = TokenConfig.Role
    package typealias Layer = TokenConfig.Layer

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

    /// As its configuration describes it.
    package init(_ config: TokenConfig) throws(SchemaViolation) {
        guard let hash = TokenHash(config.hash) else {
            throw SchemaViolation(path: config.name, rule: TextRule.tokenHash.sentence)
        }
        self.init(
            name: config.name, hash: hash, workspaces: config.workspaces, layers: Set(config.layers), role: config.role,
            maxRunners: config.maxRunners, expires: config.expires?.milliseconds)
    }

    /// A new token: 256 random bits.
    package static func newSecret() -> String {
        hexadecimal(randomBytes(secretBytes))
    }

    package static let secretLength = 2 * secretBytes
    private static let secretBytes = 32

    package func sees(_ workspace: String) -> Bool {
        role == .admin || workspaces.contains { $0.matches(workspace) }
    }

    /// Whether nothing is hidden from it.
    package var seesAll: Bool { role == .admin || workspaces.contains(.all) }

    func may(_ layer: Layer) -> Bool { role == .admin || layers.contains(layer) }

    /// The key under which a request of this token is remembered: what another token calls the same is another one.
    func scoped(_ idempotencyKey: String) -> String { isOneOfMany ? "\(name)/\(idempotencyKey)" : idempotencyKey }
}
