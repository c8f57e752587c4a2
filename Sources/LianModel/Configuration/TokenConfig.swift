/// A token of the orchestrator, as its configuration describes it.
package struct TokenConfig: Equatable, Sendable {
    package enum Role: String, CaseIterable, Sendable { case build, read, admin }
    package enum Layer: String, CaseIterable, Sendable { case ci, dev }

    package let name: String
    /// `sha256:` and the digits; the token itself is kept nowhere.
    package let hash: String
    package let workspaces: [WorkspacePattern]
    package let layers: [Layer]
    package let role: Role
    package let maxRunners: Int?
    package let expires: UTCTime?

    package static let workspaceCount = 1...200

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        name = try record.required("name").slug()
        // Somebody may write the token itself where its hash should be.
        hash = try record.required("hash").secret().text(.tokenHash)
        let list = try record.required("workspaces")
        workspaces = try list.list { (item) throws(SchemaViolation) in
            guard let pattern = WorkspacePattern(try item.string()) else {
                throw item.violation(WorkspacePattern.rule)
            }
            return pattern
        }
        try list.requireCount(in: Self.workspaceCount)
        layers = try record.required("layers").list { (item) throws(SchemaViolation) in try item.choice(of: Layer.self)
        }
        role = try record.required("role").choice(of: Role.self)
        maxRunners = try record.optional("max_runners")?.integer(in: OrchestratorConfig.runnerCount)
        expires = try record.optional("expires").map { (node) throws(SchemaViolation) in
            guard let time = UTCTime(rfc3339: try node.text(.utcTime)) else {
                throw node.violation(TextRule.utcTime.sentence)
            }
            return time
        }
        try record.close()
    }
}
