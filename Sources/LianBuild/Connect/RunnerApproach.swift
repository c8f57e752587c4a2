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

    private let answer = FirstResult<Duration>()
    private let end = FirstResult<Reached>()
    private let task: Task<Void, Never>

    /// The approach says how long a round trip takes as soon as the runner's SSH server is known.
    init(
        _ approach: @escaping @Sendable (_ onAnswer: @escaping @Sendable (Duration) -> Void) async throws -> Reached
    ) {
        task = Task { [answer, end] in
            do {
                end.settle(.success(try await approach { answer.settle(.success($0)) }))
            } catch {
                answer.settle(.failure(error))
                end.settle(.failure(error))
            }
        }
    }

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
