import LianModel
import LianSystem
import Synchronization

/// What is to be sent, what was sent and what became of it: the one thing that the build's tasks, the courier's thread
/// and libnats's callbacks share.
final class Outbox: Sendable {
    private struct State {
        var waiting: [CloudEvent] = []
        var unconfirmed: [CloudEvent] = []
        var confirmed = 0
        /// Taken on, but too many or of no use to the server.
        var dropped = 0
        var refused: [String] = []
        var lastFailure: String?
        var wasEverUp = false
        /// Connections by their address. A closed one keeps its own until its last callback is through, so that no
        /// two of them are mistaken for each other.
        var connection: UInt?
        var closedConnection: UInt?
        var isConnectionLost = false
        var isFinishing = false
        var isClosed = false
        var finisher: CheckedContinuation<Void, Never>?
    }

    /// A build sends three or four: this bounds the memory, whatever happens.
    private static let capacity = 100

    private let state = Mutex(State())
    private let server: String
    private let waker: Waker?
    private let closedFor: BuildWarning?

    init(server: String) throws(SystemError) {
        self.server = server
        waker = try Waker()
        closedFor = nil
    }

    /// One that no courier comes to: it only counts.
    init(closedFor warning: BuildWarning) {
        server = ""
        waker = nil
        closedFor = warning
        state.withLock { $0.isClosed = true }
    }

    // MARK: The build's side

    func put(_ event: CloudEvent) {
        state.withLock { state in
            if state.waiting.count < Self.capacity { state.waiting.append(event) } else { state.dropped += 1 }
        }
        waker?.wake()
    }

    func beginFinishing() {
        state.withLock { $0.isFinishing = true }
        waker?.wake()
    }

    var wasEverUp: Bool { state.withLock(\.wasEverUp) }

    /// No one waits any longer.
    func close() {
        let finisher = state.withLock { state in
            state.isClosed = true
            defer { state.finisher = nil }
            return state.finisher
        }
        finisher?.resume()
        waker?.wake()
    }

    func waitUntilClosed() async {
        await withCheckedContinuation { continuation in
            let isClosed = state.withLock { state in
                if !state.isClosed { state.finisher = continuation }
                return state.isClosed
            }
            if isClosed { continuation.resume() }
        }
    }

    func report() -> EventsReport {
        state.withLock { state in
            let unsent = state.waiting.count + state.unconfirmed.count
            let refused = min(state.refused.count, state.confirmed)
            var report = EventsReport(
                published: state.confirmed - refused, failed: unsent + state.dropped + refused, warnings: [])
            for subject in Set(state.refused).sorted() {
                report.warnings.append(
                    BuildWarning(.eventRefused, "NATS at \(server) refuses events on the subject \(subject)"))
            }
            if let closedFor {
                report.warnings.append(closedFor)
            } else if !state.wasEverUp {
                let reason = state.lastFailure ?? "no connection was up in time"
                report.warnings.append(
                    BuildWarning(.eventsUnavailable, "no event was sent to NATS at \(server): \(reason)"))
            } else if unsent > 0 {
                let reason = state.lastFailure.map { ": \($0)" } ?? ""
                report.warnings.append(
                    BuildWarning(
                        .eventsUnconfirmed,
                        "NATS at \(server) did not confirm \(unsent) of the events in time\(reason)"))
            }
            if state.dropped > 0 {
                report.warnings.append(
                    BuildWarning(.eventsDropped, "\(state.dropped) events could not be sent at all"))
            }
            return report
        }
    }

    // MARK: The courier's side

    enum Next {
        case send([CloudEvent])
        case confirm
        case rest
        /// The connection is gone; what it left unconfirmed waits again, at the front.
        case connect
        case end
    }

    func next() -> Next {
        state.withLock { state in
            if state.isClosed { return .end }
            if state.isConnectionLost || state.connection == state.closedConnection {
                state.waiting = state.unconfirmed + state.waiting
                state.unconfirmed = []
                return .connect
            }
            if !state.waiting.isEmpty { return .send(state.waiting) }
            if !state.unconfirmed.isEmpty { return .confirm }
            return state.isFinishing ? .end : .rest
        }
    }

    var isEnded: Bool {
        state.withLock(\.isClosed)
    }

    /// Whoever waits at the end for a first connection waits for one answer, not for the next ones.
    var isFirstConnectionDue: Bool {
        state.withLock { $0.isFinishing && !$0.wasEverUp }
    }

    func connectionBegins() {
        state.withLock { state in
            state.connection = nil
            state.closedConnection = nil
            state.isConnectionLost = false
        }
    }

    func connectionIsUp(_ connection: UInt) {
        state.withLock { state in
            state.wasEverUp = true
            state.connection = connection
            state.lastFailure = nil
        }
    }

    func connectionIsLost() {
        state.withLock { $0.isConnectionLost = true }
    }

    var isConnectionLost: Bool { state.withLock(\.isConnectionLost) }

    /// Its last callback was through.
    var isConnectionClosed: Bool { state.withLock { $0.connection == $0.closedConnection } }

    func connectionFailed(_ reason: String) {
        state.withLock { $0.lastFailure = reason }
    }

    /// The first of those that wait is with libnats now, or is of no use to it.
    func firstWasHandedOver(_ isAccepted: Bool) {
        state.withLock { state in
            guard !state.waiting.isEmpty else { return }
            let event = state.waiting.removeFirst()
            if isAccepted { state.unconfirmed.append(event) } else { state.dropped += 1 }
        }
    }

    func allWereConfirmed() {
        state.withLock { state in
            state.confirmed += state.unconfirmed.count
            state.unconfirmed = []
        }
    }

    func rest(atMost duration: Duration? = nil) {
        waker?.sleep(atMost: duration)
    }

    // MARK: The callbacks' side

    func connectionClosed(_ connection: UInt) {
        state.withLock { $0.closedConnection = connection }
        waker?.wake()
    }

    func refused(_ subject: String) {
        state.withLock { state in
            if state.refused.count < Self.capacity { state.refused.append(subject) }
        }
    }
}
