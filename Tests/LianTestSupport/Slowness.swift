import Glibc
import LianSystem
import Synchronization

/// How many times as long as it needs work takes here and now: once where a processor is always free, about three times
/// beside four busy loops on two of them. For bounds in wall time: what the scheduler gave to others counts against
/// nobody.
///
/// Measured by work of its own that never waits for anything: what that takes beyond its own time on a processor, others
/// had.
package final class Slowness: Sendable {
    private struct Sample {
        let end: ContinuousClock.Instant
        let took: Duration
        let needed: Duration
    }

    private final class Meter: Sendable {
        let samples = Mutex<[Sample]>([])
        let isOver = Atomic(false)
    }

    private let meter = Meter()

    package init() throws {
        try startThread { [meter] in
            while !meter.isOver.load(ordering: .relaxed) {
                let sample = Self.measure()
                meter.samples.withLock { $0.append(sample) }
                usleep(180_000)
            }
        }
    }

    deinit { meter.isOver.store(true, ordering: .relaxed) }

    /// On average since that moment. Never less than 1.
    package func factor(since start: ContinuousClock.Instant) -> Double {
        let samples = meter.samples.withLock { $0.filter { $0.end > start } }
        let needed = samples.reduce(.zero) { $0 + $1.needed }
        return needed > .zero ? max(1, samples.reduce(.zero) { $0 + $1.took } / needed) : 1
    }

    /// More of it than a process gets at once where others want to run too.
    private static func measure() -> Sample {
        let start = (ContinuousClock.now, processorTime())
        while processorTime() - start.1 < .milliseconds(20) {}
        let end = ContinuousClock.now
        return Sample(end: end, took: end - start.0, needed: processorTime() - start.1)
    }

    /// What this thread has had of a processor.
    private static func processorTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
