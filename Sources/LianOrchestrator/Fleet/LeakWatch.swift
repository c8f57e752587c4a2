import LianModel
import LianSystem
import Synchronization

/// Tells, once of each, of the runners that could not be removed for long: somebody has to look after them.
final class LeakWatch: Sendable {
    private struct Leak {
        /// Milliseconds since boot.
        var since: Int
        var isTold = false
    }

    /// Shorter than that nobody is told: a member that is started anew takes a while.
    static let patience = 600_000

    private let clock: BootClock
    private let log: EventLog
    private let tell: @Sendable (LeakingRunner) -> Void
    private let leaks = Mutex<[String: Leak]>([:])

    init(clock: BootClock, log: EventLog, tell: @escaping @Sendable (LeakingRunner) -> Void) {
        self.clock = clock
        self.log = log
        self.tell = tell
    }

    /// After each try that failed.
    func couldNotRemove(_ record: RunnerRecord, because problem: ProviderError) {
        let now = clock.now()
        // One that was to go in an earlier life of this orchestrator is late already.
        let asked = record.goneAt.map { now - clock.milliseconds(since: $0) } ?? now
        let lateBy = leaks.withLock { leaks -> Int? in
            var leak = leaks[record.id] ?? Leak(since: asked)
            defer { leaks[record.id] = leak }
            leak.since = min(leak.since, asked)
            guard !leak.isTold, now - leak.since >= Self.patience else { return nil }
            leak.isTold = true
            return now - leak.since
        }
        guard let lateBy else { return }
        let leak = LeakingRunner(
            runnerID: record.id, workspace: record.workspace, provider: record.provider,
            since: UTCTime(milliseconds: clock.wallClock() - lateBy), reason: problem.description)
        log.error(
            "runner_leaking", "runner \(record.id) could not be removed since \(leak.since.rfc3339): \(problem)",
            [
                "runner_id": .string(record.id), "provider": .string(record.provider),
                "since": .string(leak.since.rfc3339),
            ])
        tell(leak)
    }

    func isRemoved(_ id: String) {
        leaks.withLock { $0[id] = nil }
    }
}
