/// The volume that a runner is to start from, and the one that is to be kept of it.
package struct VolumeRequest: Equatable, Sendable {
    /// The first of these that exists and fits is taken.
    package var from: [VolumeName]
    /// nil where nothing is to be kept.
    package var to: VolumeName?

    package static let maximumFrom = 4

    package init(from: [VolumeName], to: VolumeName?) {
        self.from = from
        self.to = to
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        from = []
        if let node = try record.optional("from") {
            from = try node.list { (item) throws(SchemaViolation) in try item.volumeName() }
            guard from.count <= Self.maximumFrom else { throw node.violation("must hold \(Self.maximumFrom) at most") }
        }
        to = try record.optional("to", nullable: true)?.volumeName()
    }
}

extension VolumeRequest: JSONEncodable {
    package var json: JSONValue { ["from": from.json, "to": to.json] }
}

/// Why a runner's volume is empty, in the orchestrator's word.
package enum VolumeColdReason: String, CaseIterable, Sendable {
    case noneYet = "none_yet"
    case inUse = "in_use"
    case otherEngine = "other_engine"
    /// It lies where another provider's runners are.
    case otherProvider = "other_provider"
    /// Runners of this provider have no volumes.
    case notOffered = "not_offered"
    case damaged
    case noRoom = "no_room"
}

/// What a runner found on its volume.
package struct RunnerVolume: Equatable, Sendable {
    package enum State: String, CaseIterable, Sendable {
        case warm, cold
    }

    package var state: State
    /// The volume that was cloned; nil where it is cold.
    package var from: VolumeName?
    package var generation: Int?
    package var bytes: Int?
    /// Why it is cold: a `VolumeColdReason`, or the word of another orchestrator.
    package var reason: String?
    /// A folder on the volume in which the user may write contexts.
    package var path: String?

    package init(
        state: State, from: VolumeName? = nil, generation: Int? = nil, bytes: Int? = nil, reason: String? = nil,
        path: String? = nil
    ) {
        self.state = state
        self.from = from
        self.generation = generation
        self.bytes = bytes
        self.reason = reason
        self.path = path
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        state = try record.required("state").choice(of: State.self)
        from = try record.optional("from", nullable: true)?.volumeName()
        generation = try record.optional("generation", nullable: true)?.integer(in: 0...Int.max)
        bytes = try record.optional("bytes", nullable: true)?.integer(in: 0...Int.max)
        reason = try record.optional("reason", nullable: true)?.string()
        path = try record.optional("path", nullable: true)?.string()
    }
}

extension RunnerVolume: JSONEncodable {
    package var json: JSONValue {
        [
            "state": .string(state.rawValue), "from": from.json, "generation": generation.json, "bytes": bytes.json,
            "reason": reason.json, "path": path.json,
        ]
    }
}

/// Asks for the runner's volume to be kept.
package struct KeepRequest: Equatable, Sendable {
    package enum Outcome: String, CaseIterable, Sendable {
        case succeeded, failed
    }

    package var outcome: Outcome
    /// The time of the steps that ran and were not cached.
    package var executedMS: Int

    package init(outcome: Outcome, executedMS: Int) {
        self.outcome = outcome
        self.executedMS = executedMS
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        outcome = try record.required("outcome").choice(of: Outcome.self)
        executedMS = try record.required("executed_ms").count()
    }
}

extension KeepRequest: JSONEncodable {
    package var json: JSONValue { ["outcome": .string(outcome.rawValue), "executed_ms": .integer(executedMS)] }
}

/// Why a runner's volume was not kept, in the orchestrator's word.
package enum VolumeDiscardReason: String, CaseIterable, Sendable {
    /// Another runner that started from the same generation was first, and executed at least as much.
    case superseded
    case tooLarge = "too_large"
    /// The engine did not end by itself in time, or its local sources could not be pruned before.
    case engineNotStopped = "engine_not_stopped"
    /// The runner has no volume, or named none to keep.
    case notAsked = "not_asked"
    case diskFull = "disk_full"
    /// What lies on the volume is not what an engine leaves.
    case damaged
    /// The volume could not be kept for a reason that the orchestrator's log tells.
    case failed
}

/// Whether a runner's volume was kept.
package struct KeptVolume: Equatable, Sendable {
    package var kept: Bool
    package var volume: VolumeName?
    package var generation: Int?
    package var bytes: Int?
    /// Why it was not kept: a `VolumeDiscardReason`, or the word of another orchestrator.
    package var reason: String?

    package static func kept(_ volume: VolumeName, generation: Int, bytes: Int) -> KeptVolume {
        var answer = KeptVolume(kept: true)
        answer.volume = volume
        answer.generation = generation
        answer.bytes = bytes
        return answer
    }

    package static func discarded(_ reason: VolumeDiscardReason) -> KeptVolume {
        var answer = KeptVolume(kept: false)
        answer.reason = reason.rawValue
        return answer
    }

    private init(kept: Bool) { self.kept = kept }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        kept = try record.required("kept").bool()
        volume = try record.optional("volume", nullable: true)?.volumeName()
        generation = try record.optional("generation", nullable: true)?.integer(in: 0...Int.max)
        bytes = try record.optional("bytes", nullable: true)?.integer(in: 0...Int.max)
        reason = try record.optional("reason", nullable: true)?.string()
    }
}

extension KeptVolume: JSONEncodable {
    package var json: JSONValue {
        [
            "kept": .bool(kept), "volume": volume.json, "generation": generation.json, "bytes": bytes.json,
            "reason": reason.json,
        ]
    }
}

/// Whether and how an orchestrator keeps volumes, as /healthz says it.
package enum VolumeSupport: String, CaseIterable, Sendable {
    /// Each runner gets a copy on write.
    case clone
    /// One runner at a time holds a volume.
    case exclusive
    case none
}

/// The newest generation of a volume, as the list shows it.
package struct VolumeAnswer: Equatable, Sendable {
    package var name: VolumeName
    package var generation: Int
    package var bytes: Int
    package var engine: String
    package var platform: String
    package var provider: String
    package var createdAt: UTCTime
    package var usedAt: UTCTime?
    package var inUse: Int

    package init(
        name: VolumeName, generation: Int, bytes: Int, engine: String, platform: String, provider: String,
        createdAt: UTCTime, usedAt: UTCTime?, inUse: Int
    ) {
        self.name = name
        self.generation = generation
        self.bytes = bytes
        self.engine = engine
        self.platform = platform
        self.provider = provider
        self.createdAt = createdAt
        self.usedAt = usedAt
        self.inUse = inUse
    }
}

extension VolumeAnswer: JSONEncodable {
    package var json: JSONValue {
        [
            "name": name.json, "generation": .integer(generation), "bytes": .integer(bytes), "engine": .string(engine),
            "platform": .string(platform), "provider": .string(provider), "created_at": .string(createdAt.rfc3339),
            "used_at": (usedAt?.rfc3339).json, "in_use": .integer(inUse),
        ]
    }
}
