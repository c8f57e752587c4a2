import CLinux

/// Time and chance, handed to whoever waits or retries, so that a test can hold both.
package struct Timing: Sendable {
    /// Monotonic: what deadlines are counted by.
    package var now: @Sendable () -> ContinuousClock.Instant
    /// Milliseconds since 1970, UTC: for what is shown or compared with another machine's dates.
    package var wallClock: @Sendable () -> Int
    package var sleep: @Sendable (Duration) async throws(CancellationError) -> Void
    /// A number from 0 up to, not including, 1.
    package var random: @Sendable () -> Double

    package init(
        now: @escaping @Sendable () -> ContinuousClock.Instant, wallClock: @escaping @Sendable () -> Int,
        sleep: @escaping @Sendable (Duration) async throws(CancellationError) -> Void,
        random: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.wallClock = wallClock
        self.sleep = sleep
        self.random = random
    }

    package static let system = Timing(
        now: { .now },
        wallClock: { Int(lian_wall_clock_milliseconds()) },
        sleep: { duration throws(CancellationError) in
            do { try await Task.sleep(for: duration) } catch { throw CancellationError() }
        },
        random: { .random(in: 0..<1) })
}
