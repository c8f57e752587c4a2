/// Whose cache a build reads and writes. A nil field was not written: then the mode's own layers are used, and the
/// cache is retained.
package struct CachePolicy: Equatable, Sendable {
    package let mode: BuildMode
    package let importFrom: [ImageReference]?
    package let exportTo: [ImageReference]?
    package let disposition: SessionCacheDisposition?
    package let volume: VolumeChoice?

    package init(
        mode: BuildMode, importFrom: [ImageReference]? = nil, exportTo: [ImageReference]? = nil,
        disposition: SessionCacheDisposition? = nil, volume: VolumeChoice? = nil
    ) {
        self.mode = mode
        self.importFrom = importFrom
        self.exportTo = exportTo
        self.disposition = disposition
        self.volume = volume
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        mode = try BuildMode(record.required("mode"))
        importFrom = try record.optional("import")?.filledList { (item) throws(SchemaViolation) in
            try item.pinnedReference()
        }
        exportTo = try record.optional("export")?.filledList { (item) throws(SchemaViolation) in
            try item.taggedReference()
        }
        disposition = try record.optional("disposition")?.choice(of: SessionCacheDisposition.self)
        volume = try record.optional("volume").map { (node) throws(SchemaViolation) in try VolumeChoice(node) }
        try record.close()
        if disposition == .discard, exportTo != nil {
            throw SchemaViolation(
                path: node.path, rule: "export must be left out where disposition is discard, which writes nothing")
        }
    }
}

package enum BuildMode: Equatable, Sendable {
    case ci
    case session(SessionActor)

    private enum Kind: String, CaseIterable {
        case ci, session
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record(
            like: #"{"kind": "ci"} or {"kind": "session", "actor": {"id": "mei", "kind": "human"}}"#)
        let kind = try record.required("kind").choice(of: Kind.self)
        let actor = try record.optional("actor")
        try record.close()
        switch (kind, actor) {
        case (.ci, nil): self = .ci
        case (.session, let actor?): self = .session(try SessionActor(actor))
        case (.ci, _?), (.session, nil): throw node.violation("actor must be there exactly when kind is session")
        }
    }
}

package struct SessionActor: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case human, agent, ci
    }

    package let id: String
    package let kind: Kind

    package init(id: String, kind: Kind) {
        self.id = id
        self.kind = kind
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        id = try record.required("id").slug()
        kind = try record.required("kind").choice(of: Kind.self)
        try record.close()
    }
}

package enum SessionCacheDisposition: String, CaseIterable, Sendable {
    /// Export to the session's own dev/ layer.
    case retain
    /// Read only.
    case discard
}
