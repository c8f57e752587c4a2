import LianChannel
import LianModel
import LianSystem
import Synchronization

/// Tells how much of an output is here.
final class OutputMeter: Sendable {
    private let artifact: String
    private let dest: String
    private let reporter: any BuildReporter
    private let timing: Timing
    private let state = Mutex(State())

    private static let interval: Duration = .milliseconds(250)

    private struct State {
        var channels: [any RemoteChannel] = []
        var rate = TransferRate()

        var received: Int { channels.reduce(0) { $0 + $1.receivedBytes } }
    }

    init(artifact: String, dest: String, reporter: any BuildReporter, timing: Timing) {
        self.artifact = artifact
        self.dest = dest
        self.reporter = reporter
        self.timing = timing
    }

    /// Counts what comes through this channel too.
    func count(_ channel: any RemoteChannel) {
        state.withLock { $0.channels.append(channel) }
    }

    /// Bytes that came so far.
    var received: Int { state.withLock { $0.received } }

    /// Reports until it is cancelled.
    func run() async {
        while (try? await timing.sleep(Self.interval)) != nil {
            let progress = state.withLock { state in
                let received = state.received
                state.rate.add(bytes: received, at: timing.now())
                return OutputProgress(
                    artifact: artifact, dest: dest, receivedBytes: received, bytesPerSecond: state.rate.bytesPerSecond)
            }
            reporter.report(.bringing(progress))
        }
    }
}
