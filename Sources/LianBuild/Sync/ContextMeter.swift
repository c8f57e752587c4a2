import LianModel
import LianSystem
import Synchronization

/// Tells how much of the context is on its way or there, by asking those who carry it.
final class ContextMeter: Sendable {
    let files: Int
    private let bytes: Int
    private let reporter: any BuildReporter
    private let timing: Timing
    private let state = Mutex(State())

    private static let interval: Duration = .milliseconds(250)

    private struct State {
        var counts: [@Sendable () -> Int] = []
        var rate = TransferRate()
        var isOver = false
    }

    init(files: Int, bytes: Int, reporter: any BuildReporter, timing: Timing) {
        self.files = files
        self.bytes = bytes
        self.reporter = reporter
        self.timing = timing
    }

    /// Adds a carrier of the context: `count` gives the bytes of it that the carrier has taken so far.
    func add(_ count: @escaping @Sendable () -> Int) {
        state.withLock { $0.counts.append(count) }
    }

    /// Reports until it is cancelled.
    func run() async {
        repeat { tell() } while (try? await timing.sleep(Self.interval)) != nil
    }

    /// Makes the last report: all of the context is there.
    func finish() {
        tell(isLast: true)
    }

    private func tell(isLast: Bool = false) {
        state.withLock { state in
            guard !state.isOver else { return }
            state.isOver = isLast
            let sent = state.counts.reduce(0) { $0 + $1() }
            state.rate.add(bytes: sent, at: timing.now())
            let rate = state.rate.bytesPerSecond
            var progress = ContextProgress(files: files, bytes: bytes, sentBytes: sent, bytesPerSecond: rate)
            if isLast {
                progress.sentBytes = max(sent, bytes)
                progress.secondsLeft = 0
            } else if let rate, rate > 0, sent < bytes {
                progress.secondsLeft = Double(bytes - sent) / rate
            }
            // Reported under the lock, so that nothing comes after the last report.
            reporter.report(.context(progress))
        }
    }
}

/// The rate of something that grows, over the last few seconds.
struct TransferRate: Sendable {
    private var points: [(bytes: Int, time: ContinuousClock.Instant)] = []

    private static let window: Duration = .seconds(3)
    /// Two measurements that lie closer together say more about the clock than about the link.
    private static let shortest: Duration = .milliseconds(200)

    mutating func add(bytes: Int, at time: ContinuousClock.Instant) {
        points.append((bytes, time))
        // The newest of the points outside the window stays, as the window's beginning.
        while points.count > 2, time - points[1].time >= Self.window { points.removeFirst() }
    }

    var bytesPerSecond: Double? {
        guard let first = points.first, let last = points.last, last.time - first.time >= Self.shortest else {
            return nil
        }
        return Double(last.bytes - first.bytes) / (last.time - first.time).inSeconds
    }
}
