import Glibc
import LianHTTP
import LianModel
import LianNATS
import LianOrchestratorClient
import LianRemote
import LianSSH
import LianSystem
import Synchronization

/// One build, from what was asked to the envelope: resolve, then one attempt or two, each with a runner that is always
/// destroyed.
package final class Build: Sendable {
    private let options: BuildOptions
    private let surroundings: Surroundings
    private let start: ContinuousClock.Instant
    private let journal: BuildJournal
    private let control = Mutex(Control())
    private let result = FirstResult<ResultEnvelope>()

    private struct Control {
        var signal: EndSignal?
        var walk: Task<Void, Never>?
        var lease: RunnerLease?
        var keeping: Task<Void, Never>?
        var isAbandoned = false
    }

    /// What a second signal leaves for destroying the runner.
    private static let hurriedDestroy: Duration = .seconds(2)
    /// How much longer than destroying the runner it may take to record metrics and to ask for history.
    private static let metricsBeyondDestroy: Duration = .seconds(5)

    package init(options: BuildOptions, surroundings: Surroundings) {
        self.options = options
        self.surroundings = surroundings
        journal = BuildJournal(surroundings.reporter)
        start = surroundings.timing.now()
    }

    /// The first signal that ended the build.
    package var endSignal: EndSignal? { control.withLock(\.signal) }

    /// Whether the build was ended twice, and waits for nothing any more.
    package var isAbandoned: Bool { control.withLock(\.isAbandoned) }

    /// What a report tells beside the envelope.
    package var findings: BuildFindings { journal.write(\.findings) }

    /// The first signal cancels the build, which then cleans up; the second skips all but one short try of destroying
    /// the runner.
    package func end(by signal: EndSignal) {
        let (walk, isFirst, isSecond) = control.withLock { control in
            let isFirst = control.signal == nil
            let isSecond = !isFirst && !control.isAbandoned
            if isSecond { control.isAbandoned = true }
            control.signal = control.signal ?? signal
            return (control.walk, isFirst, isSecond)
        }
        if isFirst { journal.report(.note("\(signal.name): ending the build and its runner")) }
        walk?.cancel()
        guard isSecond else { return }
        control.withLock(\.keeping)?.cancel()
        Task { await abandon() }
    }

    package func run() async -> ResultEnvelope {
        let walk = Task { await self.walk() }
        let isEnded = control.withLock { control in
            control.walk = walk
            return control.signal != nil
        }
        if isEnded { walk.cancel() }
        // The result is only ever settled with an envelope, never with an error.
        return (try? await Task { try await self.result.value() }.value) ?? journal.envelope
    }

    private func abandon() async {
        journal.report(.note("ended again: destroying the runner and leaving"))
        let lease = control.withLock(\.lease)
        let runner = await lease?.destroy(within: Self.hurriedDestroy)
        finish { envelope in
            envelope.runner = runner ?? envelope.runner
            // A signal makes the build cancelled, unless it has succeeded already.
            guard envelope.status != .succeeded else { return }
            envelope.status = .cancelled
            envelope.error = .cancelled(in: .teardown)
        }
    }

    private func walk() async {
        var random = SystemRandomNumberGenerator()
        let buildID = makeBuildID(millisecondsSince1970: UInt64(surroundings.timing.wallClock()), using: &random)
        journal.write { $0.envelope.buildID = buildID }
        do {
            if let attempts = try await prepare(buildID) { return await build(attempts) }
            finish { $0.status = .planned }
        } catch {
            finish { $0.fail(endSignal == nil ? LianError(error, in: .resolve) : .cancelled(in: .resolve)) }
        }
    }

    /// Everything before a runner is asked for; nil for a dry run, which ends here.
    private func prepare(_ buildID: String) async throws -> AttemptPlan? {
        journal.report(.started(.resolve, "reading what to build"))
        let request = try await RequestReader(options: options, surroundings: surroundings).request()
        journal.write { $0.envelope.take(request) }
        for warning in request.warnings { journal.warn(warning) }
        let environment = surroundings.environment
        let http = try HTTPClient()
        let client = try OrchestratorClient(
            server: request.orchestrator.url, token: request.orchestrator.token,
            authorities: request.orchestrator.authorities, http: http,
            timing: surroundings.timing)
        async let secrets = BuildSecrets.read(request, environment: environment, http: http)
        async let resolved = Resolver(options: options, surroundings: surroundings).resolve(
            request, history: HistorySource(client: client))
        async let volume = VolumeOffer.ask(for: options.dryRun ? .off : request.volume, client)
        let loads = request.artifacts.contains { $0.outputs.brought.contains { $0.place == .engine } }
        let engine = loads ? try await ContainerEngine.find(environment: environment) : nil
        let access = try RunnerAccess(request, environment: environment)
        let resolution = try await resolved
        journal.write { entries in
            entries.envelope.take(resolution)
            entries.findings.largest = resolution.largest
        }
        for warning in resolution.warnings { journal.warn(warning) }
        let offer = await volume
        if let known = offer.known {
            journal.write { $0.envelope.volume = known }
            if known.state == .cold { journal.report(.volume(known)) }
        }
        let read = try await secrets
        let events = await EventTarget.read(request, environment: environment, http: http)
        for warning in read.warnings + events.warnings { journal.warn(warning) }
        let rsync =
            try options.dryRun
            ? nil
            : LocalRsync.find(
                installation: surroundings.installation, environment: environment, timing: surroundings.timing)
        // Before the passphrase is asked for: on a terminal nothing may be drawn over the question.
        journal.report(.finished(.resolve, "the context has \(resolution.total.files) files"))
        let key = options.dryRun ? nil : try await access.key()
        journal.write { $0.envelope.timings?.resolve = surroundings.milliseconds(since: start) }
        try Task.checkCancellation()
        guard let rsync, let key else {
            journal.write { $0.envelope.plan = resolution.plan() }
            return nil
        }
        return AttemptPlan(
            buildID: buildID, resolution: resolution, client: client, volume: offer.request, key: key,
            knownHosts: access.knownHosts, secrets: read, events: events.settings, rsync: rsync, engine: engine,
            journal: journal, surroundings: surroundings)
    }

    private func build(_ plan: AttemptPlan) async {
        let request = plan.resolution.request
        // What an earlier build left is not taken for this one's, should this one fail.
        if let file = request.imageIDFile, fileKind(file) == .regular { unlink(file) }
        let events = BuildEvents(
            plan.events, of: request, buildID: plan.buildID, timing: surroundings.timing)
        var sizing = plan.resolution.sizing
        var number = 0
        var next: Sizing?
        repeat {
            number += 1
            let remaining = journal.write { $0.envelope.unbuilt(of: request.artifacts) }
            let attempt = Attempt(number: number, sizing: sizing, artifacts: remaining, plan: plan)
            control.withLock { $0.lease = attempt.lease }
            journal.report(.attemptStarted(number: number, sizing))
            events.send(
                .started(
                    sizing: sizing, artifacts: remaining.map(\.name), cache: plan.resolution.caches(of: remaining)),
                attempt: number)
            let begun = surroundings.timing.now()
            var outcome = await attempt.run()
            // After a signal the error is `cancelled`, whatever else the signal broke.
            if endSignal != nil, outcome.error != nil { outcome.error = .cancelled(in: outcome.phase) }
            let duration = surroundings.milliseconds(since: begun)
            next =
                number <= maximumLargerRetries && endSignal == nil
                ? outcome.larger(than: sizing, in: request.compute.ladder) : nil
            let isLast = next == nil
            if let next, outcome.oom == nil, let error = outcome.error {
                journal.report(.note("\(error.message); once more on \(next.description)"))
            }
            journal.report(.attemptEnded(number: number, outcome.attemptOutcome))
            journal.write { entries in
                entries.envelope.take(outcome, ofAttempt: number, on: sizing, duration: duration, isRetried: !isLast)
                entries.metadata.merge(outcome.results.compactMapValues(\.metadata)) { $1 }
                if isLast { entries.envelope.conclude(outcome, afterAttempt: number) }
            }
            if isLast {
                let elapsed = surroundings.milliseconds(since: start)
                events.send(journal.envelope.finalEvent(duration: elapsed), attempt: number)
            }
            // In a task of its own: what cancelled the build does not cancel its cleanup.
            await Task { await tearDown(attempt, outcome, duration, plan, finishing: isLast ? events : nil) }.value
            if let next { sizing = next }
        } while next != nil
        writeMetadata(request)
        writeImageID(request)
        finish()
    }

    /// Has the runner's volume kept and then destroys the runner, ends the connection, records metrics and flushes the
    /// events, all side by side. Only the metrics wait for the volume, because they tell whether it was kept: their time
    /// ends a while after the runner's, so waiting costs them none of it.
    private func tearDown(
        _ attempt: Attempt, _ outcome: AttemptFacts, _ duration: Int, _ plan: AttemptPlan,
        finishing events: BuildEvents?
    ) async {
        let begun = surroundings.timing.now()
        let destroys = "destroying \(attempt.lease.runner?.runnerID ?? "the runner")"
        let keeping = keep(attempt, outcome, plan)
        if keeping == nil { journal.report(.started(.teardown, destroys)) }
        let destroying = Task { [journal] in
            if let keeping {
                await keeping.value
                journal.report(.waiting(.teardown, destroys))
            }
            return await attempt.lease.destroy()
        }
        async let closed: Void = attempt.close()
        let isLast = events != nil
        async let metrics: Void = cancelling(after: { [timing = surroundings.timing] in
            _ = await destroying.value
            try? await timing.sleep(Self.metricsBeyondDestroy)
        }) { [self] in
            await keeping?.value
            await record(attempt, outcome, duration: duration, plan, isLast: isLast)
        }
        async let published = events?.finish(beside: destroying)
        let runner = await destroying.value
        if runner?.destroyed != false {
            let what = runner.map { "the runner \($0.id ?? "that was asked for") is gone" } ?? "there was no runner"
            journal.report(.finished(.teardown, what))
        }
        await metrics
        let report = await published
        await closed
        for warning in report?.warnings ?? [] { journal.warn(warning) }
        journal.write { entries in
            entries.envelope.runner = runner ?? entries.envelope.runner
            let before = entries.envelope.timings?.teardown ?? 0
            entries.envelope.timings?.teardown = before + surroundings.milliseconds(since: begun)
            if let report { entries.envelope.take(report) }
        }
    }

    /// Begins to have the runner's volume kept; nil where nothing is to be kept. It ends by itself after a bounded time,
    /// and at once when the build is ended for the second time. Whatever comes of it, the build is what it was.
    private func keep(
        _ attempt: Attempt, _ outcome: AttemptFacts, _ plan: AttemptPlan
    ) -> Task<Void, Never>? {
        guard let request = attempt.keepRequest(after: outcome), let runner = attempt.lease.runner?.runnerID else {
            return nil
        }
        journal.report(.started(.teardown, "keeping the volume of \(runner)"))
        let keeping = Task { [journal] in
            let outcome = await plan.client.keep(runner, request)
            if !Task.isCancelled { journal.take(outcome) }
        }
        let isAbandoned = control.withLock { control in
            control.keeping = keeping
            return control.isAbandoned
        }
        if isAbandoned { keeping.cancel() }
        return keeping
    }

    private func record(
        _ attempt: Attempt, _ outcome: AttemptFacts, duration: Int, _ plan: AttemptPlan, isLast: Bool
    ) async {
        guard let runner = attempt.lease.runner else { return }
        // What a question takes says nothing of what a build will.
        if options.call == nil { await recordMetrics(attempt, outcome, runner, duration: duration, plan) }
        // The history has this build in it by now. Only a report tells of the next size.
        if isLast, options.report != nil {
            let next = await HistorySource(client: plan.client).nextSize(for: plan.resolution.request)
            journal.write { $0.findings.nextSize = Task.isCancelled ? .unknown(reason: Self.tooLate) : next }
        }
    }

    private func recordMetrics(
        _ attempt: Attempt, _ outcome: AttemptFacts, _ runner: RunnerAnswer, duration: Int, _ plan: AttemptPlan
    ) async {
        let volume = plan.volume.flatMap { _ in journal.envelope.volume }
        var metrics = MetricsReport(
            buildID: plan.buildID, attempt: attempt.number, runnerID: runner.runnerID, tier: attempt.sizing.tier,
            outcome: outcome.attemptOutcome, cpuPeak: outcome.peaks.cores, memoryMBPeak: outcome.peaks.megabytes,
            durationSeconds: Double(duration) / 1000, volumeState: volume?.state.rawValue, kept: volume?.kept)
        metrics.take(outcome, artifacts: attempt.artifacts)
        let problem: String
        do {
            let answer = try await plan.client.record(
                metrics, workspace: plan.resolution.request.workspace, within: OrchestratorClient.destroyBudget)
            if case .served = answer { return }
            problem = "the orchestrator keeps no metrics"
        } catch {
            problem = Task.isCancelled ? Self.tooLate : error.message
        }
        journal.warn(.metricsNotRecorded, problem)
    }

    private static let tooLate =
        "the orchestrator did not answer within \(metricsBeyondDestroy.components.seconds) s of the runner's end"

    /// Writes the metadata file as buildx does: one image's metadata as it is, several by their names.
    private func writeMetadata(_ request: BuildRequest) {
        let metadata = journal.write(\.metadata)
        guard let file = request.metadataFile, !metadata.isEmpty else { return }
        let value = request.artifacts.count == 1 ? metadata.values.first ?? .null : .object(metadata)
        do throws(SystemError) {
            try replaceFile(file, value.encoded() + "\n", mode: 0o644)
        } catch {
            journal.warn(.metadataNotWritten, "\(file): \(error.reason)")
        }
    }

    /// Writes the id of the image as buildx does: the digest of its configuration, or of the index of several.
    private func writeImageID(_ request: BuildRequest) {
        guard let file = request.imageIDFile, let metadata = journal.write(\.metadata).values.first else { return }
        let id = ["containerimage.config.digest", "containerimage.digest"].lazy.compactMap { metadata[$0]?.stringValue }
        guard let first = id.first else { return }
        do throws(SystemError) {
            try replaceFile(file, first, mode: 0o644)
        } catch {
            journal.warn(.metadataNotWritten, "\(file): \(error.reason)")
        }
    }

    /// Settles the envelope, once.
    private func finish(_ last: (inout ResultEnvelope) -> Void = { _ in }) {
        let envelope = journal.write { entries in
            entries.envelope.timings?.total = surroundings.milliseconds(since: start)
            last(&entries.envelope)
            return entries.envelope
        }
        result.settle(.success(envelope))
    }
}
