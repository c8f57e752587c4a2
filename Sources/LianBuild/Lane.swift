import LianModel
import LianNATS
import LianOrchestratorClient
import LianRemote
import LianSystem
import Synchronization

/// One runner after another, until what is to be built there is built or cannot be: all of a build, or what is built for
/// one platform where each has a runner. Each runner is destroyed, whatever happened.
final class Lane: Sendable {
    /// The last attempt, whose runner is still there.
    struct End: Sendable {
        let attempt: Attempt
        let outcome: AttemptFacts
        let duration: Int
    }

    /// How a lane stands to the build that it belongs to.
    struct Role: Sendable {
        /// nil where there is one lane.
        var platform: String?
        /// What a question takes says nothing of what a build will.
        var recordsMetrics: Bool
        /// Only a report tells of the next size.
        var asksForNextSize: Bool
        let wasEnded: @Sendable () -> Bool
    }

    let plan: AttemptPlan
    let role: Role
    private let events: BuildEvents
    private let control = Mutex(Control())

    private struct Control {
        var lease: RunnerLease?
        /// Settled when the attempt that has this lease has nothing of its own on this machine any more.
        var cleared: FirstResult<Void>?
        var keeping: Task<Void, Never>?
        var isAbandoned = false
    }

    /// How much longer than destroying the runner it may take to record metrics and to ask for history.
    private static let metricsBeyondDestroy: Duration = .seconds(5)

    /// How long a build that is ended twice waits for what it has on this machine.
    private static let clearingLimit: Duration = .seconds(5)

    init(_ plan: AttemptPlan, _ role: Role, events: BuildEvents) {
        self.plan = plan
        self.role = role
        self.events = events
    }

    private var journal: BuildJournal { plan.journal }
    private var surroundings: Surroundings { plan.surroundings }

    func run() async -> End {
        let request = plan.resolution.request
        var sizing = plan.resolution.sizing
        var number = 0
        while true {
            number += 1
            let remaining = journal.write { $0.envelope.unbuilt(of: request.artifacts) }
            let attempt = Attempt(number: number, sizing: sizing, artifacts: remaining, plan: plan)
            let cleared = FirstResult<Void>()
            control.withLock { control in
                control.lease = attempt.lease
                control.cleared = cleared
            }
            journal.report(.attemptStarted(number: number, sizing))
            events.send(
                .started(
                    sizing: sizing, artifacts: remaining.map(\.name), cache: plan.resolution.caches(of: remaining),
                    platform: role.platform),
                attempt: number)
            let begun = surroundings.timing.now()
            var outcome = await attempt.run()
            cleared.settle(.success(()))
            // After a signal the error is `cancelled`, whatever else the signal broke.
            let wasEnded = role.wasEnded() || Task.isCancelled
            if wasEnded, outcome.error != nil { outcome.error = .cancelled(in: outcome.phase) }
            let end = End(attempt: attempt, outcome: outcome, duration: surroundings.milliseconds(since: begun))
            let next =
                number <= maximumLargerRetries && !wasEnded
                ? outcome.larger(than: sizing, in: request.compute.ladder) : nil
            if let next, outcome.oom == nil, let error = outcome.error {
                journal.report(.note("\(error.message); once more on \(next.description)"))
            }
            if next == nil, outcome.error?.code != .cancelled {
                for name in outcome.blocked { journal.report(.artifactEnded(name, .skipped, digest: nil)) }
            }
            journal.report(.attemptEnded(number: number, outcome.attemptOutcome))
            journal.write { entries in
                entries.envelope.take(
                    outcome, ofAttempt: number, on: sizing, duration: end.duration, isRetried: next != nil)
                entries.metadata.merge(outcome.results.compactMapValues(\.metadata)) { $1 }
                if next == nil { entries.envelope.conclude(outcome, afterAttempt: number) }
            }
            guard let next else { return end }
            // In a task of its own: what cancelled the build does not cancel its cleanup.
            await Task { await tearDown(end, isLast: false) }.value
            sizing = next
        }
    }

    /// One short try of destroying the runner that there is now; nothing is kept of it.
    func abandon(within budget: Duration) async {
        let (lease, cleared, keeping) = control.withLock { control in
            control.isAbandoned = true
            return (control.lease, control.cleared, control.keeping)
        }
        keeping?.cancel()
        // What was cancelled by the first signal still has files and processes to take away.
        async let clearing: Void? = try? withinLimit(Self.clearingLimit) { try await cleared?.value() ?? () }
        let runner = await lease?.destroy(within: budget)
        await clearing
        journal.write { $0.envelope.runner = runner ?? $0.envelope.runner }
    }

    /// Has the runner's volume kept and then destroys the runner, ends the connection, records metrics and flushes the
    /// events, all side by side. Only the metrics wait for the volume, because they tell whether it was kept: their time
    /// ends a while after the runner's, so waiting costs them none of it.
    func tearDown(_ end: End, isLast: Bool = true, finishing events: BuildEvents? = nil) async {
        let attempt = end.attempt
        let begun = surroundings.timing.now()
        let destroys = "destroying \(attempt.lease.runner?.runnerID ?? "the runner")"
        let keeping = keep(end)
        if keeping == nil { journal.report(.started(.teardown, destroys)) }
        let destroying = Task { [journal] in
            if let keeping {
                await keeping.value
                journal.report(.waiting(.teardown, destroys))
            }
            return await attempt.lease.destroy()
        }
        async let closed: Void = attempt.close()
        async let metrics: Void = cancelling(after: { [timing = surroundings.timing] in
            _ = await destroying.value
            try? await timing.sleep(Self.metricsBeyondDestroy)
        }) { [self] in
            await keeping?.value
            await record(end, isLast: isLast)
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
    private func keep(_ end: End) -> Task<Void, Never>? {
        guard let request = end.attempt.keepRequest(after: end.outcome),
            let runner = end.attempt.lease.runner?.runnerID
        else { return nil }
        journal.report(.started(.teardown, "keeping the volume of \(runner)"))
        let keeping = Task { [journal, client = plan.client] in
            let outcome = await client.keep(runner, request)
            if !Task.isCancelled { journal.take(outcome) }
        }
        let isAbandoned = control.withLock { control in
            control.keeping = keeping
            return control.isAbandoned
        }
        if isAbandoned { keeping.cancel() }
        return keeping
    }

    private func record(_ end: End, isLast: Bool) async {
        guard let runner = end.attempt.lease.runner else { return }
        if role.recordsMetrics { await recordMetrics(end, runner) }
        // The history has this build in it by now.
        if isLast, role.asksForNextSize {
            let next = await HistorySource(client: plan.client).nextSize(for: plan.resolution.request)
            journal.write { $0.findings.nextSize = Task.isCancelled ? .unknown(reason: Self.tooLate) : next }
        }
    }

    private func recordMetrics(_ end: End, _ runner: RunnerAnswer) async {
        let (attempt, outcome) = (end.attempt, end.outcome)
        let volume = plan.volume.flatMap { _ in journal.envelope.volume }
        var metrics = MetricsReport(
            buildID: plan.buildID, attempt: attempt.number, runnerID: runner.runnerID, tier: attempt.sizing.tier,
            outcome: outcome.attemptOutcome, cpuPeak: outcome.peaks.cores, memoryMBPeak: outcome.peaks.megabytes,
            durationSeconds: Double(end.duration) / 1000, volumeState: volume?.state.rawValue, kept: volume?.kept)
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
}
