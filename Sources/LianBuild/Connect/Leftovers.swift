import LianSystem
import Synchronization

/// Processes and files of a build on its runner that go away by themselves. Only the end of their connection waits for
/// them.
final class Leftovers: Sendable {
    private let tasks = Mutex<[Task<Void, Never>]>([])

    private static let limit: Duration = .seconds(1)

    func add(_ more: [Task<Void, Never>]) {
        tasks.withLock { $0 += more }
    }

    /// Returns when all are gone, or after a moment: the runner itself is about to go.
    func wait() async {
        let tasks = tasks.withLock { $0 }
        _ = try? await withinLimit(Self.limit) { for task in tasks { await task.value } }
    }
}
