/// What /healthz answers.
package struct OrchestratorHealth: Equatable, Sendable {
    package let version: String
    package let provider: String?
    package let engine: String?
    /// Why its runners cannot be reached just now; nil where they can.
    package let problem: String?
    /// nil where it does not say: it knows no volumes. A word that is not known counts as none.
    package let volumes: VolumeSupport?
    /// What its runners build for natively; nil where it does not say.
    package let platforms: [String]?

    package init(
        version: String, provider: String?, engine: String?, problem: String? = nil, volumes: VolumeSupport? = nil,
        platforms: [String]? = nil
    ) {
        self.version = version
        self.provider = provider
        self.engine = engine
        self.problem = problem
        self.volumes = volumes
        self.platforms = platforms
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        let status = try record.required("status")
        switch try status.string() {
        case "ok": problem = nil
        case "degraded":
            problem = try record.optional("reason", nullable: true)?.string() ?? "it does not say why"
        default: throw status.violation("must be \"ok\" or \"degraded\"")
        }
        version = try record.required("version").string()
        provider = try record.optional("provider", nullable: true)?.string()
        engine = try record.optional("engine", nullable: true)?.string()
        volumes = try record.optional("volumes", nullable: true).map { word in
            word.value.stringValue.flatMap(VolumeSupport.init(rawValue:)) ?? VolumeSupport.none
        }
        platforms = try record.optional("platforms", nullable: true)?.list { (item) throws(SchemaViolation) in
            try item.string()
        }
    }

    /// Whether a spawn may ask for a volume.
    package var offersVolumes: Bool { volumes == .clone || volumes == .exclusive }
}
