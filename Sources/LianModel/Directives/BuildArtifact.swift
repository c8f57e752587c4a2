/// One image to build. An optional field that is nil was not written. Lists, records and booleans that flags can only
/// add to are empty or false when they were not written.
package struct BuildArtifact: Equatable, Sendable {
    package let name: String
    package let context: ContextPlace
    /// nil where no image is made.
    package let image: ImageReference?
    /// Relative to the context.
    package let dockerfile: String?
    package let target: String?
    package let tags: [ImageReference]
    package let platforms: [String]?
    package let emulate: Emulation?
    package let buildArguments: [String: String]
    package let labels: [String: String]
    package let secrets: [BuildSecret]
    package let agents: [SSHForward]
    package let extraContexts: [String: ExtraContext]
    package let noCache: Bool
    package let steps: StepSettings
    package let push: Bool?
    /// In the place of an image that is pushed.
    package let outputs: [BuildOutput]
    package let annotations: [String: String]
    package let compression: LayerCompression?
    package let attest: Attestations?
    package let dependsOn: [String]
    /// In the place of the cache record's lists.
    package let cacheFrom: [CacheStore]?
    package let cacheTo: [CacheStore]?

    package static let defaultDockerfile = "Dockerfile"
    package static let imageRule =
        "image must be there, unless outputs says that no image is made: local, tar, oci and docker alone"

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        name = try record.required("name").slug()
        let place = try record.required("context")
        guard let context = ContextPlace(try place.string()) else {
            throw place.violation(TextRule.contextPlace.sentence)
        }
        self.context = context
        image = try record.optional("image")?.taggedReference()
        dockerfile = try record.optional("dockerfile")?.text(.innerPath)
        target = try record.optional("target")?.text(.stage)
        tags =
            try record.optional("tags")?.list { (item) throws(SchemaViolation) in
                try item.taggedReference()
            } ?? []
        platforms = try record.optional("platforms")?.filledList { (item) throws(SchemaViolation) in
            try item.text(.platform)
        }
        emulate = try record.optional("emulate")?.choice(of: Emulation.self)
        buildArguments =
            try record.optional("build_args")?.secret().dictionary(names: .variableName) {
                (value) throws(SchemaViolation) in try value.text(.value)
            } ?? [:]
        labels =
            try record.optional("labels")?.dictionary(names: .labelName) {
                (value) throws(SchemaViolation) in try value.text(.value)
            } ?? [:]
        secrets = try record.optional("secrets").map(BuildSecret.list) ?? []
        agents = try record.optional("ssh").map(SSHForward.list) ?? []
        extraContexts =
            try record.optional("extra_contexts")?.dictionary(names: .contextName) {
                (value) throws(SchemaViolation) in try ExtraContext(value)
            } ?? [:]
        noCache = try record.optional("no_cache")?.bool() ?? false
        steps = try StepSettings(&record)
        push = try record.optional("push")?.bool()
        outputs =
            try record.optional("outputs")?.filledList { (item) throws(SchemaViolation) in
                try BuildOutput(item)
            } ?? []
        annotations =
            try record.optional("annotations")?.dictionary(names: .annotationName) {
                (value) throws(SchemaViolation) in try value.text(.value)
            } ?? [:]
        let kind = try record.optional("compression")?.choice(of: LayerCompression.Kind.self)
        let level = try record.optional("compression_level")?.integer(in: LayerCompression.levels)
        compression = kind.flatMap { LayerCompression($0, level: level) }
        attest = try record.optional("attest").map { (node) throws(SchemaViolation) in try Attestations(node) }
        dependsOn = try record.optional("depends_on")?.list(of: .slug) ?? []
        cacheFrom = try record.optional("cache_from")?.secret().filledList { (item) throws(SchemaViolation) in
            try item.cacheStore(.from)
        }
        cacheTo = try record.optional("cache_to")?.secret().filledList { (item) throws(SchemaViolation) in
            try item.cacheStore(.to)
        }
        try record.close()
        guard compression != nil || (kind == nil && level == nil) else {
            throw node.violation(LayerCompression.levelRule)
        }
        guard image != nil || outputs.allSatisfy(\.kind.isBrought) && !outputs.isEmpty else {
            throw node.violation(Self.imageRule)
        }
    }
}

extension BuildArtifact {
    /// Whether artifacts have a field of that name: of those alone null is refused as null.
    static func hasField(_ name: String) -> Bool {
        let fields: [String: JSONValue] = ["name": "a", "context": ".", "image": "localhost/a:1"]
        do {
            _ = try BuildArtifact(JSONNode(.object(fields.merging([name: .null]) { $1 })))
            return false
        } catch {
            return error.rule == RecordReader.nullRule
        }
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
    case place(ContextPlace)
    case image(ImageReference)

    package static let imagePrefix = "docker-image://"

    package init?(_ text: String) {
        if let place = ContextPlace(text) {
            self = .place(place)
        } else if text.utf8.starts(with: Self.imagePrefix.utf8) {
            let reference = String(decoding: text.utf8.dropFirst(Self.imagePrefix.utf8.count), as: UTF8.self)
            guard TextRule.pinnedReference.holds(reference), let image = ImageReference(reference) else { return nil }
            self = .image(image)
        } else {
            return nil
        }
    }

    /// nil for an image.
    package var place: ContextPlace? {
        guard case .place(let place) = self else { return nil }
        return place
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
