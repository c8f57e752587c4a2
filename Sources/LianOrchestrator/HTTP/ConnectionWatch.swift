import Glibc
import LianSystem
import Synchronization

/// Ends connections that take too long over a part of a request. The library itself only knows a timeout between two
/// bytes, which a client that sends a byte now and then never meets.
final class ConnectionWatch: Sendable {
    static let headerLimit: Duration = .seconds(15)
    static let bodyLimit: Duration = .seconds(30)
    static let idleLimit: Duration = .seconds(60)

    private let deadlines = Mutex<[Int32: ContinuousClock.Instant]>([:])

    /// From now on the connection has this long for what comes next.
    func expect(_ socket: Int32, within limit: Duration) {
        deadlines.withLock { $0[socket] = .now + limit }
    }

    /// Nothing is expected of the client: its request is being worked on, or it is gone.
    func forget(_ socket: Int32) {
        _ = deadlines.withLock { $0.removeValue(forKey: socket) }
    }

    /// Shuts down what is overdue. The library notices, tells that the connection is closed, and only then closes
    /// the descriptor: under this lock a descriptor in the table is never another's.
    func endOverdue(at now: ContinuousClock.Instant = .now) {
        deadlines.withLock { deadlines in
            for (socket, deadline) in deadlines where deadline <= now {
                shutdown(socket, Int32(SHUT_RDWR))
                deadlines[socket] = nil
            }
        }
    }
}
