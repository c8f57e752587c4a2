import LianSystem
import Synchronization

/// Timing that stands still but for its waits, which take no time: each is recorded and the clock put forward by it.
/// Chance always draws the most.
package final class SkippedTime: Sendable {
    private let state = Mutex<(skipped: Duration, sleeps: [Duration])>((.zero, []))
    private let start = ContinuousClock.now
    private let wallClock: Int

    /// Milliseconds since 1970.
    package init(wallClock: Int = 1_767_225_600_000) {
        self.wallClock = wallClock
    }

    package var sleeps: [Duration] { state.withLock(\.sleeps) }

    package var timing: Timing {
        Timing(
            now: { [self] in start + state.withLock(\.skipped) },
            wallClock: { [self] in wallClock + state.withLock(\.skipped).milliseconds },
            sleep: { [self] duration throws(CancellationError) in
                if Task.isCancelled { throw CancellationError() }
                state.withLock { state in
                    state.skipped += duration
                    state.sleeps.append(duration)
                }
                await Task.yield()
            },
            random: { 0.999 })
    }
}
