/// What a caller wants built, mirrored by schemas/build_directives.ncl. The schema fills in no defaults, so a field is
/// here only if it was written, and only then it wins over a flag. Whoever resolves the request applies the defaults.
package struct BuildDirectives: Equatable, Sendable {
    package let workspace: String
    package let artifacts: [BuildArtifact]
    package let compute: ComputeProviderRef
    package let registry: RegistryProviderRef
    package let cache: CachePolicy?
    package let runner: RunnerOverride?
    package let language: String?
    package let nats: NatsEventConfig?

    package static let schemaVersion = "1"
    package static let artifactCount = 1...32

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        let version = try record.required("schema_version")
        guard try version.string() == Self.schemaVersion else {
            throw version.violation("must be \"1\", the only version there is")
        }
        workspace = try record.required("workspace").slug()
        let list = try record.required("artifacts")
        artifacts = try list.list { (item) throws(SchemaViolation) in try BuildArtifact(item) }
        try list.requireCount(in: Self.artifactCount)
        try list.items().requireUnique("name")
        try ArtifactGraph(artifacts).check(at: list)
        compute = try ComputeProviderRef(record.required("compute"))
        registry = try RegistryProviderRef(record.required("registry"))
        cache = try record.optional("cache").map { (node) throws(SchemaViolation) in try CachePolicy(node) }
        runner = try record.optional("runner").map { (node) throws(SchemaViolation) in try RunnerOverride(node) }
        language = try record.optional("language")?.text(.line)
        nats = try record.optional("nats").map { (node) throws(SchemaViolation) in try NatsEventConfig(node) }
        try record.close { BuildArtifact.hasField($0) ? "artifacts[]" : nil }
        guard artifacts.count == 1 || cache?.exportTo?.isEmpty != false else {
            throw node.violation(Self.sharedExport)
        }
        guard cache?.disposition != .discard || artifacts.allSatisfy({ $0.cacheTo == nil }) else {
            throw node.violation(Self.discardedExport)
        }
    }

    private static let discardedExport =
        "cache_to must be left out where cache.disposition is discard, which writes nothing"

    private static let sharedExport =
        "must not write cache.export with several artifacts: each would overwrite the cache of the one before it"

    /// Each artifact after those it depends on; where several could come next, in the order of the file.
    package var artifactsInBuildOrder: [BuildArtifact] {
        ArtifactGraph(artifacts).order.map { artifacts[$0] }
    }
}

/// What the directives ask of the runner, instead of what history or the language would give.
package struct RunnerOverride: Equatable, Sendable {
    package let image: String?
    package let cpu: Int?
    package let memoryGB: Double?
    package let timeBudgetMinutes: Int?
    package let tier: String?

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        image = try record.optional("image")?.text(.line)
        cpu = try record.optional("cpu")?.integer(in: SizeBounds.cpu)
        memoryGB = try record.optional("memory_gb")?.number(in: SizeBounds.memoryGB)
        timeBudgetMinutes = try record.optional("time_budget_min")?.integer(in: SizeBounds.timeBudgetMinutes)
        tier = try record.optional("tier")?.text(.plainWord)
        try record.close()
    }
}

package struct NatsEventConfig: Equatable, Sendable {
    package let url: String
    package let subjectPrefix: String?
    package let nkey: VaultKeyRef?

    package static let defaultSubjectPrefix = "lian"

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        url = try record.required("url").text(.natsURL)
        subjectPrefix = try record.optional("subject_prefix")?.text(.subjectPrefix)
        nkey = try record.optional("nkey").map { (node) throws(SchemaViolation) in try VaultKeyRef(node) }
        try record.close()
    }
}
