import LianModel
import LianRemote
import Synchronization

/// What every artifact's build on a runner needs, and what is kept of each for the runner's end.
final class ArtifactBench: Sendable {
    let connection: RunnerConnection
    let runner: ReadyRunner
    let engine: RunnerEngine
    private let waiting: Mutex<WaitingWrapper?>
    private let sampler: UsageSampler
    private let leftovers: Leftovers

    init(
        _ reached: RunnerApproach.Reached, engine: RunnerEngine, waiting: WaitingWrapper, sampler: UsageSampler,
        leftovers: Leftovers
    ) {
        connection = reached.connection
        runner = reached.runner
        self.engine = engine
        self.waiting = Mutex(waiting)
        self.sampler = sampler
        self.leftovers = leftovers
    }

    /// The wrapper that waits on the runner; only the first build gets it.
    func takeWrapper() -> WaitingWrapper? {
        waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
    }

    /// Whether the runner's disk was seen full so far.
    var diskWasFull: Bool {
        get async { await sampler.peaks.diskWasFull }
    }

    func take(_ finished: ArtifactRun.Finished) async {
        leftovers.add([finished.leaving])
        await sampler.add(finished.end)
    }
}
