import LianTestSupport
import Synchronization

/// What all builds of the soak share, and when it was upset.
final class SoakGround: Sendable {
    let stage: BuildStage
    let front: OrchestratorFront
    /// One upset of each at a time.
    private let orchestratorsTurn = Turnstile(width: 1)
    private let natsTurn = Turnstile(width: 1)
    private let upsets = Mutex<(orchestrator: [Span], nats: [Span])>(([], []))

    typealias Span = ClosedRange<ContinuousClock.Instant>

    init(_ stage: BuildStage) throws {
        self.stage = stage
        front = try OrchestratorFront(of: stage.orchestrator)
    }

    func upsetOrchestrator(_ body: @Sendable (Orchestrator) async -> Void) async {
        let span = await timed(orchestratorsTurn) { await body(stage.orchestrator) }
        upsets.withLock { $0.orchestrator.append(span) }
    }

    func upsetNATS(_ body: @Sendable (NATSServer) async -> Void) async {
        let span = await timed(natsTurn) { await body(stage.nats) }
        upsets.withLock { $0.nats.append(span) }
    }

    func wasOrchestratorUpset(during life: Span) -> Bool {
        upsets.withLock { $0.orchestrator.contains { $0.overlaps(life) } }
    }

    func wasNATSUpset(during life: Span) -> Bool {
        upsets.withLock { $0.nats.contains { $0.overlaps(life) } }
    }

    private func timed(_ turn: Turnstile, _ body: @Sendable () async -> Void) async -> Span {
        await turn.through {
            let start = ContinuousClock.now
            await body()
            return start...ContinuousClock.now
        }
    }
}
