import Glibc
import LianChannel
import LianSystem
import Synchronization

/// A channel as the session's thread sees it.
final class ChannelState {
    enum Phase {
        case queued, opening, starting, open
        /// The output has ended; the other side is given time to tell how the command did, and to close.
        case awaitingPeer(until: ContinuousClock.Instant)
        /// Closed in the middle: our own close is on its way.
        case closing(until: ContinuousClock.Instant)
        /// The end was told; only libssh2's clean-up is left.
        case freeing(RemoteEnd)
    }

    enum Input {
        case bytes([UInt8], sent: Int, Completion<Void>?)
        case end(Completion<Void>?)
    }

    let id: Int
    let command: String
    let counters: TransferCounters
    var phase = Phase.queued
    var library: LibraryChannel?
    var opener: Completion<Void>?
    var inputs: [Input] = []
    var readers: [Completion<RemoteOutput?>] = []
    /// Output that was read from the session while nobody waited for it.
    var ready: [RemoteOutput] = []
    var pump: Pump?
    var wasPumped = false
    var closers: [Completion<RemoteEnd>] = []
    var hasSentEnd = false
    /// Everything that the other side sent was read, to its end.
    var sawEnd = false
    var isClosedByPeer = false
    /// Which of the two streams is read first next time, so that neither starves.
    var readsErrorFirst = false

    init(id: Int, command: String, counters: TransferCounters, opener: Completion<Void>) {
        self.id = id
        self.command = command
        self.counters = counters
        self.opener = opener
    }

    var isOpen: Bool {
        if case .open = phase { true } else { false }
    }

    var isStarting: Bool {
        switch phase {
        case .opening, .starting: true
        case .queued, .open, .awaitingPeer, .closing, .freeing: false
        }
    }

    var isClosing: Bool {
        switch phase {
        case .awaitingPeer, .closing, .freeing: true
        case .queued, .opening, .starting, .open: false
        }
    }

    var deadline: ContinuousClock.Instant? {
        switch phase {
        case .awaitingPeer(let deadline), .closing(let deadline): deadline
        case .queued, .opening, .starting, .open, .freeing: nil
        }
    }

    func failInputs(_ error: any Error) {
        for input in inputs { input.completion?.fail(error) }
        inputs = []
    }

    /// Ends every wait on this channel but that for its end.
    func failAll(_ error: any Error) {
        opener?.fail(error)
        opener = nil
        failInputs(error)
        for reader in readers { reader.fail(error) }
        readers = []
        pump?.detach(error)
    }
}

extension ChannelState.Input {
    var completion: Completion<Void>? {
        switch self {
        case .bytes(_, _, let completion), .end(let completion): completion
        }
    }

    /// The same input, which libssh2 still has to finish, with nobody to tell of it.
    var withoutWaiter: ChannelState.Input {
        switch self {
        case .bytes(let bytes, let sent, _): .bytes(bytes, sent: sent, nil)
        case .end: .end(nil)
        }
    }
}

/// How much went through a channel so far; read from anywhere.
package final class TransferCounters: Sendable {
    private let sentBytes = Atomic(0)
    private let receivedBytes = Atomic(0)

    package var sent: Int { sentBytes.load(ordering: .relaxed) }
    package var received: Int { receivedBytes.load(ordering: .relaxed) }

    func addSent(_ count: Int) { sentBytes.wrappingAdd(count, ordering: .relaxed) }
    func addReceived(_ count: Int) { receivedBytes.wrappingAdd(count, ordering: .relaxed) }
}
