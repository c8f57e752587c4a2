import Glibc
import LianSystem
import Synchronization

/// The places for connections: how long each connection may take for its next step, and which one makes room when all
/// places are taken, or all that one peer address may have. Connections that have not shown the token are ended first,
/// beginning with the oldest. So however many of them there are, they keep out nobody who has a token.
final class ConnectionPlaces: Sendable {
    /// The time from the connection to the end of the headers with the token. A connection that does not show the token
    /// gets no more time than this for its answer either.
    static let tokenLimit: Duration = .seconds(10)
    static let bodyLimit: Duration = .seconds(30)
    static let answerLimit: Duration = .seconds(60)
    static let idleLimit: Duration = .seconds(60)
    /// How many places a peer address may have while none of its connections has shown the token, and from then on: all
    /// of a team's CI may come from one address.
    static let peerLimitWithoutToken = 64
    static let peerLimitWithToken = 512

    private enum Standing { case withoutToken, idle, atWork }

    private struct Place {
        let peer: PeerAddress
        var standing = Standing.withoutToken
        /// Grows with each change of standing, so that the oldest one is known.
        var order: Int
        var deadline: ContinuousClock.Instant?
    }

    private struct State {
        var places: [Int32: Place] = [:]
        var changes = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) {
        self.limit = limit
    }

    /// A new connection. If all places are taken, or all of its peer's, another connection of those is ended for it; if
    /// none can be, the new one is.
    func arrived(_ socket: Int32, from peer: PeerAddress) {
        state.withLock { state in
            let ofPeer = state.places.values.lazy.filter { $0.peer == peer }
            let hasToken = ofPeer.contains { $0.standing != .withoutToken }
            let isPeerFull = ofPeer.count >= (hasToken ? Self.peerLimitWithToken : Self.peerLimitWithoutToken)
            if isPeerFull || state.places.count >= limit {
                let whose = isPeerFull ? peer : nil
                guard
                    let leaving = Self.first(.withoutToken, of: whose, in: state)
                        ?? Self.first(.idle, of: whose, in: state)
                else {
                    shutdown(socket, Int32(SHUT_RDWR))
                    return
                }
                Self.end(leaving, in: &state)
            }
            state.changes += 1
            state.places[socket] = Place(peer: peer, order: state.changes, deadline: .now + Self.tokenLimit)
        }
    }

    /// The connection has shown the token; the body of its request follows.
    func showedToken(_ socket: Int32) { change(socket, .atWork, within: Self.bodyLimit) }

    /// Nothing is expected of the client: its request is being worked on.
    func isWaiting(_ socket: Int32) { change(socket, .atWork, within: nil) }

    /// The answer is on its way.
    func isAnswered(_ socket: Int32) { change(socket, .atWork, within: Self.answerLimit) }

    /// The client has its answer and may ask again. A connection without a token gets no more time by that.
    func isIdle(_ socket: Int32) {
        state.withLock { state in
            guard let place = state.places[socket], place.standing != .withoutToken else { return }
            Self.set(socket, .idle, within: Self.idleLimit, in: &state)
        }
    }

    func left(_ socket: Int32) {
        _ = state.withLock { $0.places.removeValue(forKey: socket) }
    }

    /// Shuts down the connections that are overdue. The library notices, calls `left`, and closes the descriptor only
    /// then. So as long as the lock is held, no descriptor in the table belongs to another connection.
    func endOverdue(at now: ContinuousClock.Instant) {
        state.withLock { state in
            for (socket, place) in state.places where place.deadline.map({ $0 <= now }) ?? false {
                Self.end(socket, in: &state)
            }
        }
    }

    private func change(_ socket: Int32, _ standing: Standing, within limit: Duration?) {
        state.withLock { Self.set(socket, standing, within: limit, in: &$0) }
    }

    /// A connection that was ended has lost its place, and does not get it back by what it had sent before.
    private static func set(_ socket: Int32, _ standing: Standing, within limit: Duration?, in state: inout State) {
        guard let peer = state.places[socket]?.peer else { return }
        state.changes += 1
        state.places[socket] = Place(
            peer: peer, standing: standing, order: state.changes, deadline: limit.map { ContinuousClock.now + $0 })
    }

    private static func end(_ socket: Int32, in state: inout State) {
        shutdown(socket, Int32(SHUT_RDWR))
        state.places[socket] = nil
    }

    /// The oldest of a peer's connections, or of all.
    private static func first(_ standing: Standing, of peer: PeerAddress?, in state: State) -> Int32? {
        state.places.lazy.filter { $0.value.standing == standing && (peer == nil || $0.value.peer == peer) }
            .min { $0.value.order < $1.value.order }?.key
    }
}
