/// What `build` prints: one JSON line, whatever happened. A field that the build never got to is null, never invented.
package struct ResultEnvelope: Equatable, Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case succeeded, planned, failed, cancelled
        case timedOut = "timed_out"
    }

    package var status: Status
    package var buildID: String?
    package var workspace: String?
    package var mode: String?
    package var actor: String?
    package var artifacts: [ArtifactResult]?
    package var sizing: Sizing?
    /// nil where there were several.
    package var runner: RunnerResult?
    /// nil where there was one at a time.
    package var runners: [RunnerResult]?
    package var attempts: [AttemptResult] = []
    package var cache: CacheResult?
    /// nil where none was wanted, or no runner was reached.
    package var volume: VolumeResult?
    package var context: ContextResult?
    package var usage: UsageResult?
    package var timings: Timings?
    package var events: EventsResult?
    package var plan: Plan?
    /// What a check of the Dockerfiles found; nil where none was asked for or reached.
    package var checks: [CheckFinding]?
    /// What was brought to the caller; nil where nothing was to be, or nothing came so far.
    package var outputs: [OutputResult]?
    package var warnings: [BuildWarning] = []
    package var error: LianError?

    package init(status: Status) {
        self.status = status
    }

    /// Those that there were, one or several.
    package var everyRunner: [RunnerResult] { runners ?? [runner].compactMap { $0 } }

    /// The envelope of a request that failed before a build began.
    package static func failure(_ error: LianError) -> ResultEnvelope {
        var envelope = ResultEnvelope(status: .failed)
        envelope.error = error
        return envelope
    }
}

package struct ArtifactResult: Equatable, Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case succeeded, failed, skipped, cancelled
    }

    package var name: String
    /// nil where none is made.
    package var image: String?
    package var tags: [String]
    package var digest: String?
    /// nil until it was built.
    package var pushed: Bool?
    package var platforms: [String]
    package var status: Status?
    package var steps: StepCount?
    package var durationMS: Int?

    package init(name: String, image: String?, tags: [String], platforms: [String], status: Status?) {
        self.name = name
        self.image = image
        self.tags = tags
        self.platforms = platforms
        self.status = status
    }
}

/// Something that a build brought to its caller.
package struct OutputResult: Equatable, Sendable {
    package var artifact: String
    /// local, tar, oci, docker, or load.
    package var type: String
    /// The path; for load the program that took it.
    package var dest: String
    /// Of all files together.
    package var bytes: Int

    package init(artifact: String, type: String, dest: String, bytes: Int) {
        self.artifact = artifact
        self.type = type
        self.dest = dest
        self.bytes = bytes
    }
}

package struct StepCount: Equatable, Sendable {
    package var total: Int
    package var cached: Int

    package init(total: Int, cached: Int) {
        self.total = total
        self.cached = cached
    }
}

package struct RunnerResult: Equatable, Sendable {
    /// Nil where a runner may exist although no answer ever named it.
    package var id: String?
    package var provider: String?
    package var tier: String?
    package var destroyed: Bool

    package init(id: String?, provider: String?, tier: String?, destroyed: Bool) {
        self.id = id
        self.provider = provider
        self.tier = tier
        self.destroyed = destroyed
    }
}

package struct AttemptResult: Equatable, Sendable {
    package var number: Int
    /// What it was to build for, where each platform has attempts of its own.
    package var platform: String?
    package var tier: String?
    package var outcome: AttemptOutcome
    package var exitCode: Int?
    package var durationMS: Int
    package var oom: OOMVerdict?
    /// How often a build was tried again on this runner because its registry had a bad moment.
    package var registryRetries: Int
    /// What filled the runner's disk; nil where it was not full.
    package var diskFill: DiskFill?

    package init(
        number: Int, tier: String?, outcome: AttemptOutcome, exitCode: Int?, durationMS: Int, oom: OOMVerdict?,
        registryRetries: Int = 0, diskFill: DiskFill? = nil
    ) {
        self.number = number
        self.tier = tier
        self.outcome = outcome
        self.exitCode = exitCode
        self.durationMS = durationMS
        self.oom = oom
        self.registryRetries = registryRetries
        self.diskFill = diskFill
    }
}

package struct CacheResult: Equatable, Sendable {
    package var from: [String]
    package var to: [String]

    package init(from: [String], to: [String]) {
        self.from = from
        self.to = to
    }
}

package struct ContextResult: Equatable, Sendable {
    package var files: Int
    package var bytes: Int
    package var excludedFiles: Int
    package var sentBytes: Int?

    package init(files: Int, bytes: Int, excludedFiles: Int, sentBytes: Int?) {
        self.files = files
        self.bytes = bytes
        self.excludedFiles = excludedFiles
        self.sentBytes = sentBytes
    }
}

package struct UsageResult: Equatable, Sendable {
    package var cpuPeak: Double?
    package var memoryMBPeak: Double?
    package var samples: Int

    package init(cpuPeak: Double?, memoryMBPeak: Double?, samples: Int) {
        self.cpuPeak = cpuPeak
        self.memoryMBPeak = memoryMBPeak
        self.samples = samples
    }
}

package struct Timings: Equatable, Sendable {
    package var resolve: Int?
    package var spawn: Int?
    package var ready: Int?
    package var sync: Int?
    package var build: Int?
    package var teardown: Int?
    package var total: Int?

    package init() {}
}

package struct EventsResult: Equatable, Sendable {
    package var published: Int
    package var failed: Int

    package init(published: Int, failed: Int) {
        self.published = published
        self.failed = failed
    }
}

/// What a dry run would do.
package struct Plan: Equatable, Sendable {
    package struct Artifact: Equatable, Sendable {
        package var name: String
        /// Whose runner it is for, where there are several.
        package var platform: String?
        package var buildctl: [String]

        package init(name: String, platform: String? = nil, buildctl: [String]) {
            self.name = name
            self.platform = platform
            self.buildctl = buildctl
        }
    }

    package struct LargePath: Equatable, Sendable {
        package var path: String
        package var bytes: Int

        package init(path: String, bytes: Int) {
            self.path = path
            self.bytes = bytes
        }
    }

    /// What would be brought to the caller.
    package struct Output: Equatable, Sendable {
        package var artifact: String
        /// As `OutputResult` has them.
        package var type: String
        package var dest: String

        package init(artifact: String, type: String, dest: String) {
            self.artifact = artifact
            self.type = type
            self.dest = dest
        }
    }

    package var artifacts: [Artifact]
    package var outputs: [Output]
    package var largest: [LargePath]
    /// What would be asked for where the orchestrator offers volumes; nil for none.
    package var volume: VolumeRequest?

    package init(artifacts: [Artifact], outputs: [Output], largest: [LargePath], volume: VolumeRequest?) {
        self.artifacts = artifacts
        self.outputs = outputs
        self.largest = largest
        self.volume = volume
    }
}
