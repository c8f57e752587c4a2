import LianModel
import LianNATS
import LianOrchestratorClient
import LianRemote

/// What each stage adds to the envelope, in the order in which they run.
extension ResultEnvelope {
    mutating func take(_ request: BuildRequest) {
        workspace = request.workspace
        mode = request.mode
        actor = request.actor
        timings = Timings()
        artifacts = request.artifacts.map { artifact in
            ArtifactResult(
                name: artifact.name, image: artifact.image?.description, tags: artifact.tags.map(\.description),
                platforms: artifact.platforms, status: nil)
        }
    }

    mutating func take(_ resolution: Resolution) {
        sizing = resolution.sizing
        cache = resolution.caches(of: resolution.request.artifacts)
        context = resolution.total
    }

    /// The artifacts, in build order, that have no final status yet.
    func unbuilt(of requested: [ArtifactRequest]) -> [ArtifactRequest] {
        let settled = (artifacts ?? []).filter { $0.status != nil }.map(\.name)
        return requested.filter { !settled.contains($0.name) }
    }

    mutating func take(
        _ outcome: AttemptFacts, ofAttempt number: Int, on sizing: Sizing, duration: Int, isRetried: Bool
    ) {
        self.sizing = sizing
        attempts.append(
            AttemptResult(
                number: number, tier: sizing.tier, outcome: outcome.attemptOutcome,
                exitCode: outcome.exitCode, durationMS: duration,
                oom: outcome.oom, registryRetries: outcome.registryRetries, diskFill: outcome.diskFill))
        for index in (artifacts ?? []).indices { takeArtifact(index, outcome, isRetried: isRetried) }
        if let sent = outcome.sentBytes {
            let before = context?.sentBytes ?? 0
            context?.sentBytes = before + sent
        }
        if isRetried {
            let results = (artifacts ?? []).compactMap { outcome.results[$0.name] }
            error = results.first { $0.error != nil && !$0.ranOut }?.error
        }
        timings?.add(outcome.timings)
        if outcome.peaks.samples > 0 {
            usage = UsageResult(
                cpuPeak: outcome.peaks.cores, memoryMBPeak: outcome.peaks.megabytes, samples: outcome.peaks.samples)
        }
    }

    private mutating func takeArtifact(_ index: Int, _ outcome: AttemptFacts, isRetried: Bool) {
        guard var artifact = artifacts?[index], artifact.status == nil else { return }
        guard let built = outcome.results[artifact.name] else {
            // The artifact's build was never begun, or never ended.
            guard !isRetried else { return }
            if outcome.error?.code == .cancelled {
                artifacts?[index].status = .cancelled
            } else if outcome.blocked.contains(artifact.name) {
                artifacts?[index].status = .skipped
            }
            return
        }
        artifact.steps = built.steps
        artifact.durationMS = built.durationMS
        artifact.digest = built.digest
        artifact.pushed = built.pushed
        if !built.outputs.isEmpty { outputs = (outputs ?? []) + built.outputs }
        if let found = built.checks { checks = (checks ?? []) + found }
        // Where there is a retry, it settles what ran out of memory or disk.
        if !isRetried || !built.ranOut { artifact.status = built.status }
        artifacts?[index] = artifact
    }

    /// What failed for good in the first attempt decides, unless a signal ended the second; else the last attempt does.
    mutating func conclude(_ outcome: AttemptFacts, afterAttempt number: Int) {
        if let earlier = self.error, outcome.error?.code != .cancelled { return fail(earlier) }
        guard var error = outcome.error else {
            status = .succeeded
            return
        }
        let first = attempts.first?.oom == nil ? "filled its disk" : "run out of memory"
        switch error.code {
        case .outOfMemory where number > 1 && attempts.first?.oom != nil:
            error = error.saying("\(error.message), again, one tier up")
        case .diskFull where number > 1 && attempts.first?.oom == nil:
            error = error.saying("\(error.message), again, on a larger tier")
        case .outOfMemory where number == 1:
            error = error.saying("\(error.message), and there is no larger tier to try")
        case .diskFull where number == 1:
            error = error.saying("\(error.message), and no tier above says that it has a larger disk")
        default:
            if number > 1 { error = error.saying("\(error.message) (the first attempt had \(first))") }
        }
        fail(error)
    }

    mutating func fail(_ error: LianError) {
        self.error = error
        status =
            switch error.code {
            case .cancelled: .cancelled
            case .timeBudgetExceeded: .timedOut
            default: .failed
            }
    }

    /// The event that ends the build.
    func finalEvent(duration: Int) -> BuildEvent {
        if let error { return .failed(code: error.code, phase: error.phase, status: status.rawValue) }
        let steps = (artifacts ?? []).compactMap(\.steps)
        return .completed(
            artifacts: (artifacts ?? []).map { .init(name: $0.name, digest: $0.digest) },
            durationMilliseconds: duration,
            steps: StepCount(total: steps.reduce(0) { $0 + $1.total }, cached: steps.reduce(0) { $0 + $1.cached }),
            sizing: sizing, timings: timings, volume: volume)
    }

    mutating func take(_ outcome: KeepOutcome) {
        switch outcome {
        case .answered(let answer):
            volume?.kept = answer.kept
            if !answer.kept { volume?.reason = answer.reason }
        case .refused(let trouble, _):
            volume?.kept = false
            volume?.reason = trouble.rawValue
        case .unknown: volume?.reason = VolumeTrouble.noAnswer.rawValue
        }
    }

    mutating func take(_ report: EventsReport) {
        events = EventsResult(published: report.published, failed: report.failed)
    }
}

extension Timings {
    /// Adds the stages of a further attempt.
    fileprivate mutating func add(_ other: Timings) {
        func sum(_ left: Int?, _ right: Int?) -> Int? { left.map { $0 + (right ?? 0) } ?? right }
        spawn = sum(spawn, other.spawn)
        ready = sum(ready, other.ready)
        sync = sum(sync, other.sync)
        build = sum(build, other.build)
    }
}
