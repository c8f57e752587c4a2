import LianModel
import LianRemote
import Synchronization

/// What every artifact's build on a runner needs.
final class ArtifactBench: Sendable {
    let connection: RunnerConnection
    let runner: ReadyRunner
    let engine: RunnerEngine
    private let waiting: Mutex<WaitingWrapper?>

    init(_ reached: RunnerApproach.Reached, engine: RunnerEngine, waiting: WaitingWrapper) {
        connection = reached.connection
        runner = reached.runner
        self.engine = engine
        self.waiting = Mutex(waiting)
    }

    /// For the first build.
    func takeWrapper() -> WaitingWrapper? {
        waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
    }
}
