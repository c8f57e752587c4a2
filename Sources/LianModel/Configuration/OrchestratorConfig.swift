/// How an orchestrator is run, mirrored by schemas/orchestrator_config.ncl. A field is here only if it was written: a flag
/// beats it, and whoever reads both applies the defaults.
package struct OrchestratorConfig: Equatable, Sendable {
    package let listen: String?
    package let insecureHTTP: Bool?
    package let publicURL: String?
    package let tls: TLSConfig?
    package let state: String?
    package let log: LogForm?
    package let onStop: OnStop?
    package let tokenFile: String?
    package let tokens: [TokenConfig]?
    package let providers: [ProviderConfig]?
    package let capacity: Int?
    package let volumes: VolumesConfig?
    package let historyDays: Int?
    package let nats: NatsEventConfig?

    package enum LogForm: String, CaseIterable, Sendable { case json, text }
    package enum OnStop: String, CaseIterable, Sendable { case destroy, keep }

    package static let runnerCount = 1...10_000
    package static let days = 1...3650
    package static let gigabytes = 1...1_000_000
    package static let tokenCount = 1...1000
    package static let providerCount = 1...8

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        listen = try record.optional("listen")?.text(.listenAddress)
        insecureHTTP = try record.optional("insecure_http")?.bool()
        publicURL = try record.optional("public_url")?.text(.orchestratorURL)
        tls = try record.optional("tls").map { (node) throws(SchemaViolation) in try TLSConfig(node) }
        state = try record.optional("state")?.text(.folder)
        log = try record.optional("log")?.choice(of: LogForm.self)
        onStop = try record.optional("on_stop")?.choice(of: OnStop.self)
        tokenFile = try record.optional("token_file")?.text(.file)
        tokens = try record.optional("tokens").map { (node) throws(SchemaViolation) in
            let tokens = try node.list { (item) throws(SchemaViolation) in try TokenConfig(item) }
            try node.requireCount(in: Self.tokenCount)
            try node.items().requireUnique("name")
            try node.items().map { $0.secret() }.requireUnique("hash")
            return tokens
        }
        providers = try record.optional("providers").map { (node) throws(SchemaViolation) in
            let providers = try node.list { (item) throws(SchemaViolation) in try ProviderConfig(item) }
            try node.requireCount(in: Self.providerCount)
            try ProviderConfig.requireOneOfAName(providers, at: node)
            return providers
        }
        capacity = try record.optional("capacity")?.integer(in: Self.runnerCount)
        volumes = try record.optional("volumes").map { (node) throws(SchemaViolation) in try VolumesConfig(node) }
        historyDays = try record.optional("history_days")?.integer(in: Self.days)
        nats = try record.optional("nats").map { (node) throws(SchemaViolation) in try NatsEventConfig(node) }
        try record.close()
        guard tokens == nil || tokenFile == nil else {
            throw node.violation(
                "must not have both tokens and token_file: token_file is for one token that may everything")
        }
    }
}

/// The certificate by which the orchestrator is known, and its key.
package struct TLSConfig: Equatable, Sendable {
    package let certificate: String
    package let key: SecretSource

    package init(certificate: String, key: SecretSource) {
        self.certificate = certificate
        self.key = key
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        certificate = try record.required("certificate").text(.file)
        key = try VaultKeyRef(record.required("key")).source
        try record.close()
    }
}

/// How what engines learned is kept.
package struct VolumesConfig: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable { case auto, clone, exclusive, none }

    package let kind: Kind?
    package let eachGB: Int?
    package let allGB: Int?
    package let days: Int?
    package let fileGB: Int?

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        kind = try record.optional("kind")?.choice(of: Kind.self)
        eachGB = try record.optional("each_gb")?.integer(in: OrchestratorConfig.gigabytes)
        allGB = try record.optional("all_gb")?.integer(in: OrchestratorConfig.gigabytes)
        days = try record.optional("days")?.integer(in: OrchestratorConfig.days)
        fileGB = try record.optional("file_gb")?.integer(in: OrchestratorConfig.gigabytes)
        try record.close()
    }
}
