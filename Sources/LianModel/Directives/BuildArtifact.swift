/// One image to build. An optional field that is nil was not written. Lists, records and booleans that flags can only
/// add to are empty or false when they were not written.
package struct BuildArtifact: Equatable, Sendable {
    package let name: String
    /// Relative to the directives file.
    package let context: String
    package let image: ImageReference
    /// Relative to the context.
    package let dockerfile: String?
    package let target: String?
    package let tags: [ImageReference]
    package let platforms: [String]?
    package let buildArguments: [String: String]
    package let labels: [String: String]
    package let secrets: [BuildSecret]
    package let extraContexts: [String: ExtraContext]
    package let noCache: Bool
    package let attest: Attestations?
    package let dependsOn: [String]

    package static let defaultDockerfile = "Dockerfile"

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        name = try record.required("name").slug()
        context = try record.required("context").text(.folder)
        image = try record.required("image").taggedReference()
        dockerfile = try record.optional("dockerfile")?.text(.innerPath)
        target = try record.optional("target")?.text(.stage)
        tags =
            try record.optional("tags")?.list { (item) throws(SchemaViolation) in
                try item.taggedReference()
            } ?? []
        platforms = try record.optional("platforms")?.filledList { (item) throws(SchemaViolation) in
            try item.text(.platform)
        }
        buildArguments =
            try record.optional("build_args")?.secret().dictionary(names: .variableName) {
                (value) throws(SchemaViolation) in try value.text(.value)
            } ?? [:]
        labels =
            try record.optional("labels")?.dictionary(names: .labelName) {
                (value) throws(SchemaViolation) in try value.text(.value)
            } ?? [:]
        secrets = try record.optional("secrets").map(BuildSecret.list) ?? []
        extraContexts =
            try record.optional("extra_contexts")?.dictionary(names: .contextName) {
                (value) throws(SchemaViolation) in try ExtraContext(value)
            } ?? [:]
        noCache = try record.optional("no_cache")?.bool() ?? false
        attest = try record.optional("attest").map { (node) throws(SchemaViolation) in try Attestations(node) }
        dependsOn = try record.optional("depends_on")?.list(of: .slug) ?? []
        try record.close()
    }
}

package struct BuildSecret: Equatable, Sendable {
    package let id: String
    package let ref: VaultCredRef

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        id = try record.required("id").text(.secretID)
        ref = try VaultCredRef(record.required("ref"))
        try record.close()
    }

    fileprivate static func list(_ node: JSONNode) throws(SchemaViolation) -> [BuildSecret] {
        let secrets = try node.list { (item) throws(SchemaViolation) in try BuildSecret(item) }
        try node.items().requireUnique("id")
        return secrets
    }
}

/// A further context of a build.
package enum ExtraContext: Equatable, Sendable {
    /// Relative to the directives file.
    case folder(String)
    case image(ImageReference)

    package static let imagePrefix = "docker-image://"

    package init?(_ text: String) {
        if TextRule.folder.holds(text) {
            self = .folder(text)
        } else if text.utf8.starts(with: Self.imagePrefix.utf8) {
            let reference = String(decoding: text.utf8.dropFirst(Self.imagePrefix.utf8.count), as: UTF8.self)
            guard TextRule.pinnedReference.holds(reference), let image = ImageReference(reference) else { return nil }
            self = .image(image)
        } else {
            return nil
        }
    }

    fileprivate init(_ node: JSONNode) throws(SchemaViolation) {
        guard let context = ExtraContext(try node.string()) else {
            throw node.violation(TextRule.extraContext.sentence)
        }
        self = context
    }
}

package struct Attestations: Equatable, Sendable {
    package enum Provenance: String, CaseIterable, Sendable {
        case min, max
    }

    package let sbom: Bool?
    package let provenance: Provenance?

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        sbom = try record.optional("sbom")?.bool()
        provenance = try record.optional("provenance")?.choice(of: Provenance.self)
        try record.close()
    }
}
