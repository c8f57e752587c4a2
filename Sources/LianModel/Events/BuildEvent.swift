/// The build that an event is about.
package struct BuildEventOrigin: Equatable, Sendable {
    package let subjectPrefix: String
    package let workspace: String
    package let buildID: String
    /// As in the envelope: ci or session.
    package let mode: String
    package let actor: String?

    package init(subjectPrefix: String, workspace: String, buildID: String, mode: String, actor: String?) {
        self.subjectPrefix = subjectPrefix
        self.workspace = workspace
        self.buildID = buildID
        self.mode = mode
        self.actor = actor
    }
}

/// What events tell of a build while it runs. They have no place for log text, build arguments or secrets.
package enum BuildEvent: Equatable, Sendable {
    package struct Artifact: Equatable, Sendable {
        package let name: String
        package let digest: String?

        package init(name: String, digest: String?) {
            self.name = name
            self.digest = digest
        }
    }

    /// A runner is requested for an attempt: its size, the artifacts to build and the cache in use; and the platform
    /// where each has a runner.
    case started(sizing: Sizing, artifacts: [String], cache: CacheResult?, platform: String? = nil)
    /// `sizing`, `timings` and `volume` are as in the envelope, as far as they are known by then: whether the volume is
    /// kept is not.
    case completed(
        artifacts: [Artifact], durationMilliseconds: Int, steps: StepCount?, sizing: Sizing?, timings: Timings?,
        volume: VolumeResult?)
    /// `status` as in the envelope: failed, timed_out or cancelled.
    case failed(code: ErrorCode, phase: Phase, status: String)

    private var name: String {
        switch self {
        case .started: "started"
        case .completed: "completed"
        case .failed: "failed"
        }
    }

    private var ownData: [String: JSONValue] {
        switch self {
        case .started(let sizing, let artifacts, let cache, let platform):
            ["tier": sizing.tier.json, "artifacts": artifacts.json, "sizing": sizing.json, "cache": cache.json]
                .merging(platform.map { ["platform": .string($0)] } ?? [:]) { $1 }
        case .completed(let artifacts, let duration, let steps, let sizing, let timings, let volume):
            [
                "artifacts": artifacts.json, "duration_ms": .integer(duration), "steps": steps.json,
                "sizing": sizing.json, "timings_ms": timings.json, "volume": volume.json,
            ]
        case .failed(let code, let phase, let status):
            ["code": .string(code.rawValue), "phase": .string(phase.rawValue), "status": .string(status)]
        }
    }

    package func cloudEvent(of origin: BuildEventOrigin, attempt: Int, time: UTCTime) -> CloudEvent {
        let common: [String: JSONValue] = [
            "build_id": .string(origin.buildID), "workspace": .string(origin.workspace), "attempt": .integer(attempt),
            "mode": .string(origin.mode), "actor": origin.actor.json,
        ]
        var id = "\(origin.buildID).\(name).\(attempt)"
        if case .started(_, _, _, let platform?) = self { id += ".\(platform)" }
        return CloudEvent(
            id: id, source: "/lian-build/\(origin.buildID)",
            type: "dev.lian.build.\(name)", subject: "\(origin.subjectPrefix).\(origin.workspace).build.\(name)",
            time: time, data: .object(common.merging(ownData) { $1 }))
    }
}

extension BuildEvent.Artifact: JSONEncodable {
    package var json: JSONValue { ["name": .string(name), "digest": digest.json] }
}
