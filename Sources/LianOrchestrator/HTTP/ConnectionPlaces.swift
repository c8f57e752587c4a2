import Glibc
import LianSystem
import Synchronization

/// The places for connections: how long each connection may take over what comes next, and who makes room once all
/// places are taken. Whoever has not shown the token goes first, the oldest before the others, so that any number of
/// such connections keeps nobody out who has one.
final class ConnectionPlaces: Sendable {
    /// From the connection to the end of the headers with the token in them. Where these do not come, the connection
    /// has no longer than this for its answer either.
    static let tokenLimit: Duration = .seconds(10)
    static let bodyLimit: Duration = .seconds(30)
    static let answerLimit: Duration = .seconds(60)
    static let idleLimit: Duration = .seconds(60)

    private enum Standing { case withoutToken, idle, atWork }

    private struct Place {
        var standing = Standing.withoutToken
        /// Larger for whoever came to this standing later.
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

    /// A new connection. Where all places are taken, another makes room for it; where nobody can, it goes itself.
    func arrived(_ socket: Int32) {
        state.withLock { state in
            if state.places.count >= limit {
                guard let leaving = Self.first(.withoutToken, in: state) ?? Self.first(.idle, in: state) else {
                    shutdown(socket, Int32(SHUT_RDWR))
                    return
                }
                Self.end(leaving, in: &state)
            }
            state.changes += 1
            state.places[socket] = Place(order: state.changes, deadline: .now + Self.tokenLimit)
        }
    }

    /// It has shown the token; the request's body follows.
    func showedToken(_ socket: Int32) { change(socket, .atWork, within: Self.bodyLimit) }

    /// Nothing is expected of the client: its request is being worked on.
    func isWaiting(_ socket: Int32) { change(socket, .atWork, within: nil) }

    /// The answer is on its way.
    func isAnswered(_ socket: Int32) { change(socket, .atWork, within: Self.answerLimit) }

    /// The client has its answer and may ask again. One without a token gains no time by having been answered.
    func isIdle(_ socket: Int32) {
        state.withLock { state in
            guard let place = state.places[socket], place.standing != .withoutToken else { return }
            Self.set(socket, .idle, within: Self.idleLimit, in: &state)
        }
    }

    func left(_ socket: Int32) {
        _ = state.withLock { $0.places.removeValue(forKey: socket) }
    }

    /// Shuts down what is overdue. The library notices, tells that the connection is closed, and only then closes
    /// the descriptor: under this lock a descriptor in the table is never another's.
    func endOverdue(at now: ContinuousClock.Instant = .now) {
        state.withLock { state in
            for (socket, place) in state.places where place.deadline.map({ $0 <= now }) ?? false {
                Self.end(socket, in: &state)
            }
        }
    }

    private func change(_ socket: Int32, _ standing: Standing, within limit: Duration?) {
        state.withLock { Self.set(socket, standing, within: limit, in: &$0) }
    }

    /// A connection that was ended has no place any more, and gets none by what it had sent before.
    private static func set(_ socket: Int32, _ standing: Standing, within limit: Duration?, in state: inout State) {
        guard state.places[socket] != nil else { return }
        state.changes += 1
        state.places[socket] = Place(
            standing: standing, order: state.changes, deadline: limit.map { ContinuousClock.now + $0 })
    }

    private static func end(_ socket: Int32, in state: inout State) {
        shutdown(socket, Int32(SHUT_RDWR))
        state.places[socket] = nil
    }

    private static func first(_ standing: Standing, in state: State) -> Int32? {
        state.places.lazy.filter { $0.value.standing == standing }.min { $0.value.order < $1.value.order }?.key
    }
}
