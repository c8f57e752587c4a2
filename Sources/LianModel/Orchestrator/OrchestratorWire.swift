/// The orchestrator's wire types, shared by the client and the reference server so that they cannot drift apart.
/// The contract is schemas/orchestrator.openapi.yaml.
package struct WireSize: Equatable, Sendable {
    package var tier: String?
    package var cpu: Int
    package var memoryMB: Int

    package static let memoryMBRange = 512...2_097_152

    package init(tier: String?, cpu: Int, memoryMB: Int) {
        self.tier = tier
        self.cpu = cpu
        self.memoryMB = memoryMB
    }

    package init(tier: String?, cpu: Int, memoryGB: Double) {
        self.init(tier: tier, cpu: cpu, memoryMB: Int((memoryGB * 1024).rounded(.up)))
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        tier = try record.optional("tier", nullable: true)?.string()
        cpu = try record.required("cpu").integer(in: SizeBounds.cpu)
        memoryMB = try record.required("memory_mb").integer(in: Self.memoryMBRange)
    }
}

extension WireSize: JSONEncodable {
    package var json: JSONValue {
        ["tier": tier.json, "cpu": .integer(cpu), "memory_mb": .integer(memoryMB)]
    }
}

package struct SpawnRequest: Equatable, Sendable {
    package var workspace: String
    package var buildID: String
    package var attempt: Int
    package var size: WireSize
    package var timeBudgetMinutes: Int
    package var leaseSeconds: Int
    package var sshPublicKey: String
    package var provider: String?
    package var region: String?
    package var image: String?
    package var platform: String?
    package var labels: [String: String]
    package var volume: VolumeRequest?

    package static let attemptRange = 1...2
    package static let leaseRange = 10...3600
    package static let maximumPublicKeyLength = 1024

    package init(
        workspace: String, buildID: String, attempt: Int, size: WireSize, timeBudgetMinutes: Int,
        leaseSeconds: Int, sshPublicKey: String, provider: String? = nil, region: String? = nil,
        image: String? = nil, platform: String? = nil, labels: [String: String] = [:],
        volume: VolumeRequest? = nil
    ) {
        self.workspace = workspace
        self.buildID = buildID
        self.attempt = attempt
        self.size = size
        self.timeBudgetMinutes = timeBudgetMinutes
        self.leaseSeconds = leaseSeconds
        self.sshPublicKey = sshPublicKey
        self.provider = provider
        self.region = region
        self.image = image
        self.platform = platform
        self.labels = labels
        self.volume = volume
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        workspace = try record.required("workspace").slug()
        buildID = try record.required("build_id").buildID()
        attempt = try record.required("attempt").integer(in: Self.attemptRange)
        size = try WireSize(record.required("size"))
        timeBudgetMinutes = try record.required("time_budget_minutes").integer(in: SizeBounds.timeBudgetMinutes)
        leaseSeconds = try record.required("lease_seconds").integer(in: Self.leaseRange)
        let key = try record.required("ssh_public_key")
        sshPublicKey = try key.string()
        guard sshPublicKey.unicodeScalars.count <= Self.maximumPublicKeyLength else {
            throw key.violation("must be at most \(Self.maximumPublicKeyLength) characters")
        }
        guard SSHPublicKey.hasForm(sshPublicKey) else {
            throw key.violation(
                "must be one line 'TYPE BASE64', TYPE one of \(SSHPublicKey.algorithms.joined(separator: ", "))")
        }
        provider = try record.optional("provider", nullable: true)?.string()
        region = try record.optional("region", nullable: true)?.string()
        image = try record.optional("image", nullable: true)?.string()
        platform = try record.optional("platform", nullable: true)?.string()
        labels = [:]
        for (name, label) in try record.optional("labels")?.members() ?? [] {
            labels[name] = try label.string()
        }
        if let node = try record.optional("volume", nullable: true) { volume = try VolumeRequest(node) }
    }
}

extension SpawnRequest: JSONEncodable {
    package var json: JSONValue {
        var members: [String: JSONValue] = [
            "workspace": .string(workspace), "build_id": .string(buildID), "attempt": .integer(attempt),
            "size": size.json, "time_budget_minutes": .integer(timeBudgetMinutes),
            "lease_seconds": .integer(leaseSeconds), "ssh_public_key": .string(sshPublicKey),
            "provider": provider.json, "region": region.json, "image": image.json, "platform": platform.json,
            "labels": labels.json,
        ]
        // An orchestrator of version 1.0 knows no volumes, and is sent none.
        if let volume { members["volume"] = volume.json }
        return .object(members)
    }
}

package enum RunnerState: String, Sendable, CaseIterable {
    case pending, ready, failed, gone
}

package struct RunnerAnswer: Equatable, Sendable {
    package var runnerID: String
    package var state: RunnerState
    package var reason: String?
    package var workspace: String
    package var provider: String?
    package var size: WireSize?
    package var host: String?
    package var port: Int?
    package var user: String?
    package var hostKeys: [String]
    package var workDir: String?
    package var buildkitAddress: String?
    package var expiresAt: String?
    package var volume: RunnerVolume?

    /// How the reason of a runner begins for which its provider found no room after all.
    package static let noCapacity = "no_capacity: "

    package init(runnerID: String, state: RunnerState, workspace: String) {
        self.runnerID = runnerID
        self.state = state
        self.workspace = workspace
        hostKeys = []
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        runnerID = try record.required("runner_id").runnerID()
        let stateNode = try record.required("state")
        guard let state = RunnerState(rawValue: try stateNode.string()) else {
            throw stateNode.violation("must be pending, ready, failed or gone")
        }
        self.state = state
        reason = try record.optional("reason", nullable: true)?.string()
        workspace = try record.required("workspace").slug()
        provider = try record.optional("provider", nullable: true)?.string()
        if let node = try record.optional("size", nullable: true) { size = try WireSize(node) }
        host = try record.optional("host", nullable: true)?.string()
        port = try record.optional("port", nullable: true)?.integer(in: 1...65535)
        user = try record.optional("user", nullable: true)?.string()
        hostKeys = []
        for item in try record.optional("host_keys", nullable: true)?.items() ?? [] {
            hostKeys.append(try item.string())
        }
        workDir = try record.optional("work_dir", nullable: true)?.string()
        buildkitAddress = try record.optional("buildkit_addr", nullable: true)?.string()
        expiresAt = try record.optional("expires_at", nullable: true)?.string()
        if let node = try record.optional("volume", nullable: true) { volume = try RunnerVolume(node) }
    }
}

extension RunnerAnswer: JSONEncodable {
    package var json: JSONValue {
        var members: [String: JSONValue] = [
            "runner_id": .string(runnerID), "state": .string(state.rawValue), "reason": reason.json,
            "workspace": .string(workspace), "provider": provider.json, "host": host.json, "port": port.json,
            "user": user.json, "host_keys": hostKeys.json, "work_dir": workDir.json,
            "buildkit_addr": buildkitAddress.json, "expires_at": expiresAt.json, "volume": volume.json,
        ]
        if let size { members["size"] = size.json }
        return .object(members)
    }
}

/// How one attempt ended, in the words of the envelope and of the metrics.
package enum AttemptOutcome: String, Sendable, CaseIterable {
    case succeeded, failed, oom
    case timedOut = "timed_out"
    case cancelled
}

package struct MetricsReport: Equatable, Sendable {
    package var buildID: String
    package var attempt: Int
    package var runnerID: String?
    package var tier: String?
    package var outcome: AttemptOutcome
    package var cpuPeak: Double?
    package var memoryMBPeak: Double?
    package var durationSeconds: Double
    /// What the runner found on its volume, "warm", "cold" or "none"; nil where none was asked for.
    package var volumeState: String?
    /// Whether its volume was kept; nil where that is not known.
    package var kept: Bool?
    /// Of all artifacts together; nil where none of them got so far.
    package var stepsTotal: Int?
    package var stepsCached: Int?
    /// The names of what the attempt was to build.
    package var artifacts: [String]?
    package var imageBytes: Int?
    package var errorCode: String?
    /// How long each stage took, by its name.
    package var timingsMS: [String: Int]?

    private static let maximumArtifacts = 32

    package init(
        buildID: String, attempt: Int, runnerID: String?, tier: String?, outcome: AttemptOutcome,
        cpuPeak: Double?, memoryMBPeak: Double?, durationSeconds: Double, volumeState: String? = nil,
        kept: Bool? = nil
    ) {
        self.buildID = buildID
        self.attempt = attempt
        self.runnerID = runnerID
        self.tier = tier
        self.outcome = outcome
        self.cpuPeak = cpuPeak
        self.memoryMBPeak = memoryMBPeak
        self.durationSeconds = durationSeconds
        self.volumeState = volumeState
        self.kept = kept
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        let unbounded = 0...Double.greatestFiniteMagnitude
        var record = try node.record()
        let identifier = try record.required("build_id")
        buildID = try identifier.string()
        guard (1...64).contains(buildID.unicodeScalars.count) else {
            throw identifier.violation("must be 1 to 64 characters")
        }
        attempt = try record.required("attempt").integer(in: SpawnRequest.attemptRange)
        runnerID = try record.optional("runner_id", nullable: true)?.string()
        tier = try record.optional("tier", nullable: true)?.string()
        let outcomeNode = try record.required("outcome")
        guard let outcome = AttemptOutcome(rawValue: try outcomeNode.string()) else {
            throw outcomeNode.violation("must be succeeded, failed, oom, timed_out or cancelled")
        }
        self.outcome = outcome
        cpuPeak = try record.optional("cpu_peak", nullable: true)?.number(in: unbounded)
        memoryMBPeak = try record.optional("memory_mb_peak", nullable: true)?.number(in: unbounded)
        durationSeconds = try record.required("duration_seconds").number(in: unbounded)
        volumeState = try record.optional("volume_state", nullable: true)?.string()
        kept = try record.optional("kept", nullable: true)?.bool()
        stepsTotal = try record.optional("steps_total", nullable: true)?.count()
        stepsCached = try record.optional("steps_cached", nullable: true)?.count()
        if let node = try record.optional("artifacts", nullable: true) {
            artifacts = try node.list { (item) throws(SchemaViolation) in try item.string() }
            try node.requireCount(in: 0...Self.maximumArtifacts)
        }
        imageBytes = try record.optional("image_bytes", nullable: true)?.count()
        errorCode = try record.optional("error_code", nullable: true)?.string()
        if let node = try record.optional("timings_ms", nullable: true) {
            var timings: [String: Int] = [:]
            for (name, time) in try node.members() where time.value != .null { timings[name] = try time.wholeNumber() }
            timingsMS = timings
        }
    }
}

extension MetricsReport: JSONEncodable {
    package var json: JSONValue {
        var members: [String: JSONValue] = [
            "build_id": .string(buildID), "attempt": .integer(attempt), "runner_id": runnerID.json,
            "tier": tier.json, "outcome": .string(outcome.rawValue), "cpu_peak": cpuPeak.json,
            "memory_mb_peak": memoryMBPeak.json, "duration_seconds": .number(durationSeconds),
        ]
        // An orchestrator of version 1.0 knows no volumes, and is told of none.
        if let volumeState {
            members["volume_state"] = .string(volumeState)
            members["kept"] = kept.json
        }
        // Nor is one told what is not known.
        let known: [String: JSONValue] = [
            "steps_total": stepsTotal.json, "steps_cached": stepsCached.json, "artifacts": artifacts.json,
            "image_bytes": imageBytes.json, "error_code": errorCode.json, "timings_ms": timingsMS.json,
        ]
        return .object(members.merging(known.filter { $0.value != .null }) { $1 })
    }
}

/// P95 of what a workspace's successful builds used.
package struct UsageHistory: Equatable, Sendable {
    package var workspace: String
    package var samples: Int
    package var cpuP95: Double?
    package var memoryMBP95: Double?
    package var durationSecondsP95: Double?

    package init(
        workspace: String, samples: Int, cpuP95: Double? = nil, memoryMBP95: Double? = nil,
        durationSecondsP95: Double? = nil
    ) {
        self.workspace = workspace
        self.samples = samples
        self.cpuP95 = cpuP95
        self.memoryMBP95 = memoryMBP95
        self.durationSecondsP95 = durationSecondsP95
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        let unbounded = 0...Double.greatestFiniteMagnitude
        var record = try node.record()
        workspace = try record.required("workspace").slug()
        samples = try record.required("samples").integer(in: 0...Int.max)
        cpuP95 = try record.optional("cpu_p95", nullable: true)?.number(in: unbounded)
        memoryMBP95 = try record.optional("memory_mb_p95", nullable: true)?.number(in: unbounded)
        durationSecondsP95 = try record.optional("duration_seconds_p95", nullable: true)?.number(in: unbounded)
    }
}

extension UsageHistory: JSONEncodable {
    package var json: JSONValue {
        [
            "workspace": .string(workspace), "samples": .integer(samples), "cpu_p95": cpuP95.json,
            "memory_mb_p95": memoryMBP95.json, "duration_seconds_p95": durationSecondsP95.json,
        ]
    }
}
