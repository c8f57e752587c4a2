import LianBuildKit
import LianContext
import LianHTTP
import LianModel
import LianNATS
import LianOrchestratorClient
import LianRemote
import LianSSH
import LianSystem
import Synchronization

/// What all attempts of a build share.
struct AttemptPlan: Sendable {
    /// What the orchestrator calls the build; runners side by side have a build each there.
    var buildID: String
    /// Whose runner it is to be; nil for that of what is built.
    var platform: String?
    var resolution: Resolution
    let client: OrchestratorClient
    let http: HTTPClient
    /// nil where none is asked for.
    var volume: VolumeRequest?
    let key: SSHKey
    let knownHosts: KnownHosts?
    let secrets: BuildSecrets
    /// nil where no events are wanted, or none can be sent.
    let events: EventsSettings?
    let rsync: LocalRsync
    /// Where images are loaded into; nil where none is.
    let engine: ContainerEngine?
    var journal: BuildJournal
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
    private let queue: Mutex<ArtifactQueue>
    private let sampler: UsageSampler
    private let approach = Guarded<RunnerApproach?>(nil)
    private let leftovers = Leftovers()

    init(number: Int, sizing: Sizing, artifacts: [ArtifactRequest], plan: AttemptPlan) {
        self.number = number
        self.sizing = sizing
        self.artifacts = artifacts
        self.plan = plan
        queue = Mutex(ArtifactQueue(artifacts))
        sampler = UsageSampler { [journal = plan.journal] in journal.report(.usage($0)) }
        let request = plan.resolution.request
        lease = RunnerLease(
            SpawnRequest(
                workspace: request.workspace, buildID: plan.buildID, attempt: number, size: sizing.wireSize,
                timeBudgetMinutes: sizing.timeBudgetMinutes, leaseSeconds: RunnerLease.leaseSeconds,
                sshPublicKey: plan.key.publicKeyLine, provider: request.compute.provider,
                region: request.compute.region, image: plan.resolution.runnerImage,
                platform: plan.platform ?? artifacts.first?.platforms.first, volume: plan.volume),
            client: plan.client, journal: plan.journal)
    }

    private var journal: BuildJournal { plan.journal }
    private var timing: Timing { plan.surroundings.timing }

    private func since(_ start: ContinuousClock.Instant) -> Int { plan.surroundings.milliseconds(since: start) }

    /// Runs until the builds have ended. The runner is still there afterwards: the caller destroys it, whatever
    /// happened here.
    func run() async -> AttemptFacts {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                // The group ends with whichever ends first: the work, its time, or the runner under it.
                defer { group.cancelAll() }
                group.addTask { try await self.work() }
                group.addTask { try await self.watchBudget() }
                group.addTask { try await self.lease.watchForLoss() }
                try await group.next()
            }
        } catch {
            let told = await lease.explained(LianError(error, in: facts.withLock(\.phase)))
            facts.withLock { facts in
                facts.error = told
                if told.code == .diskFull { facts.diskFill = (error as? FilledDisk)?.fill ?? .context }
            }
        }
        let peaks = await sampler.peaks
        let (results, blocked) = queue.withLock { ($0.results, $0.blocked) }
        return facts.withLock { facts in
            facts.peaks = peaks
            facts.results = results
            facts.blocked = blocked
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
        journal.report(.started(phase, text))
    }

    private func work() async throws {
        let start = timing.now()
        let deadline = start + .seconds(plan.resolution.request.orchestrator.spawnTimeoutSeconds)
        enter(.spawn, "asking for a runner: \(sizing.description)")
        try await lease.spawn(until: deadline)
        facts.withLock { $0.timings.spawn = since(start) }
        if let id = lease.runner?.runnerID { journal.report(.waiting(.spawn, "the runner \(id) is starting")) }
        let spawned = timing.now()
        let contexts = TravellingContexts(
            of: artifacts, in: plan.resolution, mayHaveVolume: plan.volume != nil, sync: ContextSync(rsync: plan.rsync),
            reporter: journal,
            timing: timing)
        let approach = RunnerApproach { [self] onReady, onAnswer in
            let reached = try await reachRunner(until: deadline, onReady, onAnswer)
            facts.withLock { $0.timings.ready = since(spawned) }
            journal.report(.finished(.connect, "the runner answers after \(since(start)) ms"))
            enter(.sync, "sending \(contexts.files) files")
            return reached
        }
        self.approach.set(approach)
        try await build(contexts, along: approach)
    }

    /// Ends the connection and what is left behind it while the runner is being destroyed: neither waits for the other.
    func close() async {
        await leftovers.wait()
        await approach.value?.close()
    }

    private func reachRunner(
        until deadline: ContinuousClock.Instant, _ onReady: (ReadyRunner) -> Void,
        _ onAnswer: @escaping @Sendable (Duration) -> Void
    ) async throws -> RunnerApproach.Reached {
        let runner = try await lease.waitUntilReady(until: deadline)
        // The runner's work folder may have a longer path than was reckoned with.
        try plan.resolution.checkPaths(below: runner.workDir, .sync)
        onReady(runner)
        journal.report(.finished(.spawn, "the runner \(runner.id) is up"))
        tellVolume(of: runner)
        tellCache(of: runner)
        enter(.connect, "connecting to \(runner.id) at \(runner.host):\(runner.port)")
        let connection = try await RunnerConnection.open(
            to: runner, key: plan.key, knownHosts: plan.knownHosts, deadline: deadline, onAnswer: onAnswer)
        return RunnerApproach.Reached(runner: runner, connection: connection, at: timing.now())
    }

    private func tellVolume(of runner: ReadyRunner) {
        guard let asked = plan.volume else { return }
        let found = VolumeResult(asked, found: runner.volume)
        let reason = found.reason.flatMap(VolumeColdReason.init(rawValue:))
        facts.withLock { $0.hasVolume = runner.volume != nil && reason != .notOffered }
        journal.write { $0.envelope.volume = found }
        journal.report(.volume(found))
        switch reason {
        case .inUse?, .otherEngine?, .otherProvider?, .damaged?, .noRoom?:
            journal.warn(.volumeCold, "the runner starts cold: \(VolumeResult.coldness(found.reason))")
        // Before a volume was kept for the first time there is nothing to miss, and where there are none there never is.
        case .noneYet?, .notOffered?, nil: break
        }
    }

    /// The envelope names the caches that are really written.
    private func tellCache(of runner: ReadyRunner) {
        let request = plan.resolution.request
        let caches = plan.resolution.caches(of: request.artifacts).to
        guard request.cacheExport == .cold, !caches.isEmpty else { return }
        let isWritten = request.writesCache(from: runner)
        journal.write { $0.envelope.cache?.to = isWritten ? caches : [] }
        if !isWritten { journal.report(.note("the cache is not written: the runner is warm (--cache-export cold)")) }
    }

    /// How the runner's volume is to be kept; nil where there is none, or its state is not worth it.
    func keepRequest(after outcome: AttemptFacts) -> KeepRequest? {
        guard outcome.hasVolume, plan.volume?.to != nil else { return nil }
        return outcome.keepRequest(for: plan.resolution.request.owner)
    }

    private func build(_ contexts: TravellingContexts, along approach: RunnerApproach) async throws {
        // rsync starts while the runner still boots; from there on nothing waits for what it does not need.
        let request = plan.resolution.request
        let warmUp = WarmUp(
            request.call == nil ? artifacts : [], contextBytes: contexts.bytes, registry: request.registry,
            secrets: plan.secrets, timing: timing)
        defer { warmUp.end() }
        async let bench = prepareBench(along: approach, behind: contexts, beside: warmUp)
        let sent = try await contexts.send(along: approach)
        warmUp.contextIsThere()
        leftovers.add(sent.leaving)
        facts.withLock { facts in
            facts.sentBytes = sent.bytes
            facts.timings.sync = sent.milliseconds
        }
        let start = timing.now()
        let ready = try await bench
        let disk = ready.runner.volume?.path ?? ready.runner.workDir
        let sampling = Task { await measure(over: ready.connection, disk: disk) }
        defer {
            sampling.cancel()
            facts.withLock { $0.timings.build = since(start) }
        }
        try await buildAll(ready)
    }

    /// Samples usage until it is cancelled; where the connection broke, it goes on over the next one.
    private func measure(over connection: RunnerConnection, disk: String) async {
        do {
            while true {
                try await sampler.sample(on: await connection.host, disk: disk)
                try await timing.sleep(.seconds(1))
            }
        } catch let failure as RemoteFailure {
            journal.warn(.usageNotMeasured, failure.lianError(.build).message)
        } catch {
            // Cancelled, or the connection is gone for good: the build itself tells of that.
        }
    }

    private func probe(_ reached: RunnerApproach.Reached) async throws -> RunnerEngine {
        let engine = RunnerEngine(try await RunnerTools.probe(await reached.connection.host))
        let writesCache = plan.resolution.request.writesCache(from: reached.runner)
        let losesStages =
            !engine.cachesAllStages
            && artifacts.contains { artifact in
                writesCache && !artifact.cacheTo.isEmpty
                    && artifact.dockerfileImages?.copiesFromStages(for: artifact.target) == true
            }
        if losesStages {
            journal.warn(.cacheLastStageOnly, "the runner's engine keeps the cache of the last stage alone")
        }
        return engine
    }

    /// Prepares the builds while the contexts are on their way. The contexts' channels are opened first.
    private func prepareBench(
        along approach: RunnerApproach, behind contexts: TravellingContexts, beside warmUp: WarmUp
    ) async throws -> ArtifactBench {
        try await contexts.haveBegun()
        let reached = try await approach.reached()
        let host = await reached.connection.host
        do {
            async let engine = probe(reached)
            let waiting = try await WaitingWrapper.start(on: host)
            warmUp.begin(on: host, of: reached.runner, besides: contexts.count)
            return ArtifactBench(
                reached, engine: try await engine, waiting: waiting, sampler: sampler, leftovers: leftovers)
        } catch let failure as RemoteFailure {
            throw failure.lianError(.connect)
        }
    }

    /// Builds independent artifacts side by side, as many as the runner has pairs of cores.
    private func buildAll(_ bench: ArtifactBench) async throws {
        enter(.build, artifacts.map(\.name).joined(separator: ", "))
        let width = max(1, sizing.size.cpu / 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            var running = 0
            while true {
                while running < width, let artifact = queue.withLock({ $0.next() }) {
                    running += 1
                    group.addTask { try await self.build(artifact, bench) }
                }
                guard running > 0 else { return }
                try await group.next()
                running -= 1
            }
        }
    }

    private func build(_ artifact: ArtifactRequest, _ bench: ArtifactBench) async throws {
        let outcome = try await ArtifactBuild(
            artifact: artifact, bench: bench, resolution: plan.resolution, secrets: plan.secrets, rsync: plan.rsync,
            engine: plan.engine, journal: journal, timing: timing, traceParent: plan.surroundings.traceParent,
            onRegistryRetry: { [self] in facts.withLock { $0.registryRetries += 1 } }
        ).run()
        // Whoever takes a runner away kills its steps, and the engine may still tell of that. No larger runner helps
        // against it. What a kernel has counted meanwhile may be another's.
        if outcome.oom != nil { try await lease.checkThatItIsThere() }
        facts.withLock { $0.take(outcome) }
        for name in queue.withLock({ $0.settle(artifact.name, outcome) }) {
            journal.report(.artifactEnded(name, .skipped, digest: nil))
        }
    }
}
