import LianModel
import LianSystem

/// A runner on its way from being asked for to being connected to. What needs the connection waits for it here;
/// everything else goes on meanwhile.
final class RunnerApproach: Sendable {
    struct Reached: Sendable {
        let runner: ReadyRunner
        let connection: RunnerConnection
        let at: ContinuousClock.Instant
    }

    private let ready = FirstResult<ReadyRunner>()
    private let answer = FirstResult<Duration>()
    private let end = FirstResult<Reached>()
    private let task: Task<Void, Never>

    /// The approach says which runner it is as soon as that is ready, and how long a round trip takes as soon as its SSH
    /// server is known.
    init(
        _ approach:
            @escaping @Sendable (
                _ onReady: @escaping @Sendable (ReadyRunner) -> Void, _ onAnswer: @escaping @Sendable (Duration) -> Void
            ) async throws -> Reached
    ) {
        task = Task { [ready, answer, end] in
            do {
                end.settle(
                    .success(
                        try await approach({ ready.settle(.success($0)) }, { answer.settle(.success($0)) })))
            } catch {
                ready.settle(.failure(error))
                answer.settle(.failure(error))
                end.settle(.failure(error))
            }
        }
    }

    /// Known before it is reached.
    func runner() async throws -> ReadyRunner { try await ready.value() }

    /// Known before the runner is reached.
    func roundTrip() async throws -> Duration { try await answer.value() }

    func reached() async throws -> Reached { try await end.value() }

    /// Ends the connection in order, or the approach where it stands. A caller that was cancelled has to await this
    /// too.
    func close() async {
        task.cancel()
        await task.value
        await Task { [end] in
            if let reached = try? await end.value() { await reached.connection.close() }
        }.value
    }
}
