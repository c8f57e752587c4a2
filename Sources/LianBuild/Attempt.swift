import LianBuildKit
import LianContext
import LianHTTP
import LianModel
import LianNATS
import LianRemote
import LianSSH
import LianSystem
import Synchronization

/// What all attempts of a build share.
struct AttemptPlan: Sendable {
    let buildID: String
    let resolution: Resolution
    let client: OrchestratorClient
    let key: SSHKey
    let knownHosts: KnownHosts?
    let secrets: BuildSecrets
    /// nil where no events are wanted, or none can be sent.
    let events: EventsSettings?
    let sync: ContextSync
    let surroundings: Surroundings
}

/// One attempt: on one runner, the artifacts that are still to be built.
final class Attempt: Sendable {
    let number: Int
    let sizing: Sizing
    let artifacts: [ArtifactRequest]
    let lease: RunnerLease
    private let plan: AttemptPlan
    private let facts = Mutex(AttemptFacts())
    private let sampler: UsageSampler
    private let approach = Guarded<RunnerApproach?>(nil)
    /// What on the runner is about to end by itself.
    private let leaving = Mutex<[Task<Void, Never>]>([])

    init(number: Int, sizing: Sizing, artifacts: [ArtifactRequest], plan: AttemptPlan) {
        self.number = number
        self.sizing = sizing
        self.artifacts = artifacts
        self.plan = plan
        let reporter = plan.surroundings.reporter
        sampler = UsageSampler { reporter.report(.usage($0)) }
        let request = plan.resolution.request
        lease = RunnerLease(
            SpawnRequest(
                workspace: request.workspace, buildID: plan.buildID, attempt: number, size: sizing.wireSize,
                timeBudgetMinutes: sizing.timeBudgetMinutes, leaseSeconds: RunnerLease.leaseSeconds,
                sshPublicKey: plan.key.publicKeyLine, provider: request.compute.provider,
                region: request.compute.region, image: plan.resolution.runnerImage,
                platform: artifacts.first?.platforms.first),
            client: plan.client, reporter: reporter)
    }

    private var reporter: any BuildReporter { plan.surroundings.reporter }
    private var timing: Timing { plan.surroundings.timing }

    private func since(_ start: ContinuousClock.Instant) -> Int { plan.surroundings.milliseconds(since: start) }

    /// Runs to the end of the builds. The runner is still there afterwards: ending it is the caller's, whatever
    /// happened here.
    func run() async -> AttemptFacts {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                // Whichever ends first: the work, its time, or the runner under it.
                defer { group.cancelAll() }
                group.addTask { try await self.work() }
                group.addTask { try await self.watchBudget() }
                group.addTask { try await self.lease.watchForLoss() }
                try await group.next()
            }
        } catch {
            facts.withLock { $0.error = LianError(error, in: $0.phase) }
        }
        let peaks = await sampler.peaks
        return facts.withLock { facts in
            facts.peaks = peaks
            let results = facts.results
            facts.error = facts.error ?? artifacts.lazy.compactMap { results[$0.name]?.error }.first
            return facts
        }
    }

    private func watchBudget() async throws {
        try await timing.sleep(.seconds(sizing.timeBudgetMinutes * 60))
        throw LianError(
            .timeBudgetExceeded, facts.withLock(\.phase),
            "the time budget of \(sizing.timeBudgetMinutes) min ran out",
            hint: "Raise it with --time-budget or time_budget_min, or give the build more cores.")
    }

    private func enter(_ phase: Phase, _ text: String) {
        facts.withLock { $0.phase = phase }
        reporter.report(.started(phase, text))
    }

    private func work() async throws {
        let start = timing.now()
        let deadline = start + .seconds(plan.resolution.request.orchestrator.spawnTimeoutSeconds)
        enter(.spawn, "asking for a runner: \(sizing.description)")
        try await lease.spawn(until: deadline)
        facts.withLock { $0.timings.spawn = since(start) }
        if let id = lease.runner?.runnerID { reporter.report(.waiting(.spawn, "the runner \(id) is starting")) }
        let spawned = timing.now()
        let contexts = TravellingContexts(
            plan.resolution.transfers(of: artifacts), sync: plan.sync, reporter: reporter, timing: timing)
        let approach = RunnerApproach { [self] onAnswer in
            let reached = try await reachRunner(until: deadline, onAnswer)
            facts.withLock { $0.timings.ready = since(spawned) }
            reporter.report(.finished(.connect, "the runner answers after \(since(start)) ms"))
            enter(.sync, "sending \(contexts.files) files")
            return reached
        }
        self.approach.set(approach)
        try await build(contexts, along: approach)
    }

    private static let leavingLimit: Duration = .seconds(1)

    /// Ends what is left of it on the runner and the connection there, beside the runner's being destroyed: neither
    /// waits for the other.
    func close() async {
        let leaving = leaving.withLock { $0 }
        _ = try? await withinLimit(Self.leavingLimit) { for task in leaving { await task.value } }
        await approach.value?.close()
    }

    private func reachRunner(
        until deadline: ContinuousClock.Instant, _ onAnswer: @escaping @Sendable (Duration) -> Void
    ) async throws -> RunnerApproach.Reached {
        let runner = try await lease.waitUntilReady(until: deadline)
        // Its work folder may be a longer one than was reckoned with.
        try plan.resolution.checkPaths(below: runner.workDir, .sync)
        reporter.report(.finished(.spawn, "the runner \(runner.id) is up"))
        enter(.connect, "connecting to \(runner.id) at \(runner.host):\(runner.port)")
        let connection = try await RunnerConnection.open(
            to: runner, key: plan.key, knownHosts: plan.knownHosts, deadline: deadline, onAnswer: onAnswer)
        return RunnerApproach.Reached(runner: runner, connection: connection, at: timing.now())
    }

    private func build(_ contexts: TravellingContexts, along approach: RunnerApproach) async throws {
        // rsync starts while the runner still boots; from there on nothing waits for what it does not need.
        let warmUp = WarmUp(artifacts, registry: plan.resolution.request.registry, secrets: plan.secrets)
        defer { warmUp.end() }
        async let bench = prepareBench(along: approach, behind: contexts, beside: warmUp)
        let sent = try await contexts.send(along: approach)
        warmUp.contextIsThere()
        leaving.withLock { $0 += sent.leaving }
        facts.withLock { facts in
            facts.sentBytes = sent.bytes
            facts.timings.sync = sent.milliseconds
        }
        let start = timing.now()
        let ready = try await bench
        let sampling = Task { await measure(over: ready.connection) }
        defer {
            sampling.cancel()
            facts.withLock { $0.timings.build = since(start) }
        }
        try await buildAll(ready)
    }

    /// Samples until it is cancelled; where the connection broke, over the next one.
    private func measure(over connection: RunnerConnection) async {
        do {
            while true {
                try await sampler.sample(on: await connection.host)
                try await timing.sleep(.seconds(1))
            }
        } catch let failure as RemoteFailure {
            warn("usage_not_measured", failure.lianError(.build).message)
        } catch {
            // Cancelled, or over a connection that is gone for good: the build itself tells of that.
        }
    }

    private func warn(_ code: String, _ message: String) {
        let warning = BuildWarning(code, message)
        facts.withLock { $0.warnings.append(warning) }
        reporter.report(.warning(warning))
    }

    private func probe(_ connection: RunnerConnection) async throws -> RunnerEngine {
        let engine = RunnerEngine(try await RunnerTools.probe(await connection.host))
        let losesStages =
            !engine.cachesAllStages
            && artifacts.contains { artifact in
                !artifact.cacheTo.isEmpty && artifact.dockerfileImages?.copiesFromStages(for: artifact.target) == true
            }
        if losesStages {
            warn("cache_last_stage_only", "the runner's engine keeps the cache of the last stage alone")
        }
        return engine
    }

    /// Beside the contexts on their way, whose channels come first.
    private func prepareBench(
        along approach: RunnerApproach, behind contexts: TravellingContexts, beside warmUp: WarmUp
    ) async throws -> ArtifactBench {
        try await contexts.haveBegun()
        let reached = try await approach.reached()
        let host = await reached.connection.host
        do {
            async let engine = probe(reached.connection)
            let waiting = try await WaitingWrapper.start(on: host)
            warmUp.begin(on: host, of: reached.runner, besides: contexts.count)
            return ArtifactBench(reached, engine: try await engine, waiting: waiting)
        } catch let failure as RemoteFailure {
            throw failure.lianError(.connect)
        }
    }

    /// Each artifact after those it depends on; independent ones side by side, as many as the runner has pairs of
    /// cores. What depends on a failed one is skipped; after out of memory nothing new is begun on this runner.
    private func buildAll(_ bench: ArtifactBench) async throws {
        enter(.build, artifacts.map(\.name).joined(separator: ", "))
        let width = max(1, sizing.size.cpu / 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            var waiting = artifacts
            var running = 0
            while true {
                skipDependents(&waiting)
                while running < width, !isOutOfMemory, let index = waiting.firstIndex(where: isFree) {
                    let artifact = waiting.remove(at: index)
                    running += 1
                    group.addTask { try await self.build(artifact, bench) }
                }
                guard running > 0 else { return }
                try await group.next()
                running -= 1
            }
        }
    }

    private var isOutOfMemory: Bool { facts.withLock { $0.oom != nil } }

    /// Those that were built in an earlier attempt are not among ours.
    private func isFree(_ artifact: ArtifactRequest) -> Bool {
        let ours = Set(artifacts.map(\.name))
        return facts.withLock { facts in
            artifact.dependsOn.allSatisfy { !ours.contains($0) || facts.results[$0]?.status == .succeeded }
        }
    }

    private func skipDependents(_ waiting: inout [ArtifactRequest]) {
        // In build order: what is skipped here makes those after it skipped as well.
        waiting = waiting.filter { artifact in
            facts.withLock { facts in
                let blocked = artifact.dependsOn.contains { name in
                    facts.results[name].map { $0.status != .succeeded && $0.oom == nil } ?? false
                }
                if blocked {
                    facts.results[artifact.name] = ArtifactOutcome(status: .skipped)
                    reporter.report(.artifactEnded(artifact.name, .skipped, digest: nil))
                }
                return !blocked
            }
        }
    }

    private func build(_ artifact: ArtifactRequest, _ bench: ArtifactBench) async throws {
        let start = timing.now()
        var outcome: ArtifactOutcome
        var pushTries = 0
        repeat {
            let run = artifactRun(artifact, bench, run: pushTries)
            let finished: ArtifactRun.Finished
            do {
                finished = try await run.run()
            } catch let failure as RemoteFailure {
                throw failure.lianError(.build)
            }
            leaving.withLock { $0.append(finished.leaving) }
            await sampler.add(finished.end)
            outcome = ArtifactOutcome(status: .failed)
            outcome.steps = StepCount(total: finished.log.stepCount, cached: finished.log.cachedCount)
            outcome.durationMS = since(start)
            outcome.exitCode = Int(finished.end.exitStatus)
            switch ArtifactVerdict(finished, artifact: artifact, mask: plan.secrets.mask) {
            case .succeeded:
                outcome.status = .succeeded
                outcome.metadata = finished.metadata
                outcome.digest = finished.metadata?["containerimage.digest"]?.stringValue
                if let reason = finished.log.cacheNotWritten {
                    warn("cache_not_written", "the cache of \(artifact.name) was not written: \(onOneLine(reason))")
                }
            case .outOfMemory(let verdict, let error):
                outcome.oom = verdict
                outcome.error = error
            case .failed(let error):
                outcome.error = error
            case .pushFailed(let error):
                outcome.error = error
                pushTries += 1
                guard pushTries < Self.pushTries else { break }
                reporter.report(.note("\(error.message); trying again on the same runner"))
                try await timing.sleep(.seconds(1) + .seconds(2 * timing.random()))
                continue
            }
            break
        } while true
        reporter.report(.artifactEnded(artifact.name, outcome.status, digest: outcome.digest))
        facts.withLock { [outcome] facts in
            facts.results[artifact.name] = outcome
            facts.exitCode = facts.exitCode.map { $0 == 0 ? outcome.exitCode ?? 0 : $0 } ?? outcome.exitCode
            facts.oom = facts.oom ?? outcome.oom
        }
    }

    /// The first, and one more where only the push failed.
    private static let pushTries = 2

    private func artifactRun(_ artifact: ArtifactRequest, _ bench: ArtifactBench, run: Int) -> ArtifactRun {
        var folders = plan.resolution.folders(of: artifact, workFolder: bench.runner.workDir)
        if run > 0 { folders.run += "-\(run + 1)" }
        let request = plan.resolution.request
        return ArtifactRun(
            artifact: artifact,
            command: BuildctlCommand(
                artifact: artifact, registry: request.registry, compression: request.compression, folders: folders,
                address: bench.runner.buildkitAddress, progress: bench.engine.progress,
                exportsAllStages: bench.engine.cachesAllStages),
            secrets: plan.secrets, connection: bench.connection, waiting: bench.takeWrapper(), reporter: reporter)
    }
}
