import LianModel
import LianSystem
import Synchronization

/// The events to be sent, those already sent and their outcome. The build's tasks, the courier's thread and libnats's
/// callbacks share nothing else.
final class Outbox: Sendable {
    private struct State {
        var waiting: [CloudEvent] = []
        var unconfirmed: [CloudEvent] = []
        var confirmed = 0
        /// Events that were accepted but not sent: there were too many, or libnats could not take them.
        var dropped = 0
        var refused: [String] = []
        var lastFailure: String?
        var wasEverUp = false
        /// Connections, known by their addresses. A closed connection keeps its address until its last callback has
        /// ended, so that no two connections are mistaken for each other.
        var connection: UInt?
        var closedConnection: UInt?
        var isConnectionLost = false
        var isFinishing = false
        var isClosed = false
        var finisher: CheckedContinuation<Void, Never>?
    }

    /// A build sends three or four events; this limit bounds the memory, whatever happens.
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

    /// An outbox without a courier: it only counts events.
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

    /// Closes the outbox: nobody waits for confirmations any longer.
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
        /// The connection is gone. Events that it left unconfirmed wait again, at the front.
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

    /// Whether the build has ended and no connection was ever up. Then only one answer is waited for.
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

    /// Whether the connection's last callback has ended.
    var isConnectionClosed: Bool { state.withLock { $0.connection == $0.closedConnection } }

    func connectionFailed(_ reason: String) {
        state.withLock { $0.lastFailure = reason }
    }

    /// libnats has accepted the first waiting event, or it cannot send it.
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
