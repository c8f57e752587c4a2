import LianModel
import LianOrchestratorClient
import LianSystem
import Synchronization

/// One runner of ours: asked for, kept alive, destroyed. Whatever happens in between, `destroy` knows what there is to
/// destroy.
final class RunnerLease: Sendable {
    let request: SpawnRequest
    private let client: OrchestratorClient
    private let journal: BuildJournal
    private let state = Mutex(State())
    /// Why there is no runner any more, as the orchestrator says.
    private let loss = FirstResult<LianError>()

    /// We renew the lease each third of this time; when nobody renews it, the orchestrator destroys the runner.
    static let leaseSeconds = 90
    /// How long is waited for a word on whether the runner is there.
    private static let lookLimit: Duration = .seconds(10)
    /// How long is waited for a word on why a connection broke.
    private static let explanationLimit: Duration = .seconds(5)

    private struct State {
        var runner: RunnerAnswer?
        /// An answer has not come yet, or was lost: there may be a runner whose id we do not know.
        var mayHaveSpawned = false
        /// Set once what there was to destroy is gone.
        var gone: RunnerResult?
        /// The runner's id in an answer that could not be used otherwise.
        var strayID: String?
        var heartbeat: Task<Void, Never>?
    }

    init(_ request: SpawnRequest, client: OrchestratorClient, journal: BuildJournal) {
        self.request = request
        self.client = client
        self.journal = journal
    }

    /// The same key for each try of the same attempt, so that only one runner comes of it.
    private var key: String { "\(request.buildID)-\(request.attempt)" }

    var runner: RunnerAnswer? { state.withLock(\.runner) }

    func spawn(until deadline: ContinuousClock.Instant) async throws {
        // A build that was ended asks for no runner, so that a second signal finds nothing to destroy.
        try Task.checkCancellation()
        state.withLock { $0.mayHaveSpawned = true }
        do {
            let runner = try await client.spawn(request, key: key, until: deadline) { [journal] reason in
                journal.report(.note("\(reason); asking again"))
            }
            state.withLock { $0.runner = runner }
        } catch {
            state.withLock { state in
                state.mayHaveSpawned = error.mayHaveSpawned
                state.strayID = error.runnerID
            }
            throw error.error
        }
        keepAlive()
    }

    func waitUntilReady(until deadline: ContinuousClock.Instant) async throws -> ReadyRunner {
        guard let runner else {
            throw LianError(
                .internalError, .spawn, "a runner was waited for that was never spawned", hint: "Please report this.")
        }
        let ready = try await client.waitUntilReady(runner, until: deadline)
        try checkVolume(of: ready)
        return ready
    }

    /// A runner that starts from a volume that nobody asked for may hold another's layers, those of a session in CI.
    private func checkVolume(of runner: ReadyRunner) throws(LianError) {
        guard let volume = runner.volume, volume.state == .warm else { return }
        if let from = volume.from, let request = request.volume, request.from.contains(from) { return }
        throw LianError(
            .orchestratorAnswerInvalid, .spawn,
            "the runner \(runner.id) starts from the volume \(volume.from?.description ?? "of no name"), which was not "
                + "asked for",
            hint: "Build with --volume off, and tell those who run the orchestrator.")
    }

    private func keepAlive() {
        guard let id = runner?.runnerID else { return }
        let beats = Task { [self] in
            await client.keepAlive(id, leaseSeconds: Self.leaseSeconds) { event in
                switch event {
                case .unsupported:
                    journal.warn(.heartbeatUnsupported, "the orchestrator has no heartbeats; it may end a long build")
                case .missed(let error):
                    journal.warn(.heartbeatMissed, "the runner's lease could not be renewed: \(error.message)")
                case .gone, .failed:
                    if let error = Self.loss(by: event) { loss.settle(.success(error)) }
                }
            }
        }
        state.withLock { $0.heartbeat = beats }
    }

    /// Returns only by throwing: when the orchestrator says that the runner is gone, or the task is cancelled.
    func watchForLoss() async throws {
        throw try await loss.value()
    }

    /// Throws where the orchestrator has ended the runner by now, which the next heartbeat would tell too late. Where it
    /// does not say so, the runner counts as being there.
    func checkThatItIsThere() async throws(LianError) {
        guard let id = runner?.runnerID else { return }
        if let error = Self.loss(by: await client.renew(id, within: Self.lookLimit, patiently: false)) { throw error }
    }

    /// The error with what the orchestrator knows of it: a connection breaks also where the machine behind it has died.
    func explained(_ error: LianError) async -> LianError {
        guard error.code == .connectionLost, let id = runner?.runnerID,
            let end = await client.end(of: id, within: Self.explanationLimit), case .failed = end
        else { return error }
        return Self.loss(by: end) ?? error
    }

    /// The build's error where the runner is no more; nil where it is there, or nobody knows.
    private static func loss(by event: HeartbeatEvent?) -> LianError? {
        switch event {
        case .gone(let reason)?:
            LianError(
                .runnerFailed, .build, "the orchestrator ended the runner in the middle of the build: \(reason)",
                hint: "Its lease or lifetime may have run out; the orchestrator's log says more.")
        case .failed(let reason)?:
            LianError(
                .connectionLost, .build, "the runner died in the middle of the build: \(reason)",
                hint: "Build again, which makes another runner; the orchestrator's log says more of this one.")
        case .missed?, .unsupported?, nil: nil
        }
    }

    /// Destroys the runner, whatever is known of it. What ended the build does not cancel this.
    func destroy(within budget: Duration = OrchestratorClient.destroyBudget) async -> RunnerResult? {
        let (known, stray, mayHaveSpawned, gone) = state.withLock {
            ($0.runner, $0.strayID, $0.mayHaveSpawned, $0.gone)
        }
        defer { state.withLock(\.heartbeat)?.cancel() }
        if let gone { return gone }
        if let id = known?.runnerID ?? stray {
            return result(id, known, await client.destroy(id, within: budget))
        }
        guard mayHaveSpawned, let found = await client.destroyWhatWasSpawned(by: request, key: key, within: budget)
        else { return nil }
        return result(found.runnerID, nil, found.outcome)
    }

    private func result(_ id: String?, _ runner: RunnerAnswer?, _ outcome: DestroyOutcome) -> RunnerResult {
        if case .unconfirmed(let reason) = outcome {
            journal.warn(
                .runnerNotDestroyed,
                "\(id.map { "the runner \($0) may still" } ?? "a runner that no answer ever named may") be there: "
                    + "\(reason); the orchestrator ends it with its lease, within \(Self.leaseSeconds) s, "
                    + "or once it runs again")
        }
        let result = RunnerResult(
            id: id, provider: runner?.provider ?? request.provider, tier: request.size.tier, destroyed: outcome == .gone
        )
        if outcome == .gone { state.withLock { $0.gone = result } }
        return result
    }
}
