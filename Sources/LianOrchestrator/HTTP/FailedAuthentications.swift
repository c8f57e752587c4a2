import LianModel
import LianSystem
import Synchronization

/// Counts for each peer address the requests whose token was refused, so that nobody can try one token after the other.
/// Whoever shows a good token is not counted and never has to wait.
final class FailedAuthentications: Sendable {
    /// How many of one address are answered within the window as they are; those after them have to wait for its end.
    static let limit = 10
    static let window: Duration = .seconds(60)
    /// How many addresses are remembered. One more, and the window that ends first is forgotten.
    static let peerLimit = 4096

    private struct Window {
        var failures: Int
        let end: ContinuousClock.Instant
    }

    private let windows = Mutex<[PeerAddress: Window]>([:])

    /// Counts one failure. Returns how long the peer has to wait, or nil while it has tries left.
    func add(_ peer: PeerAddress, at now: ContinuousClock.Instant = .now) -> Duration? {
        windows.withLock { windows in
            if let window = windows[peer], window.end > now {
                guard window.failures < Self.limit else { return window.end - now }
                windows[peer]?.failures += 1
                return nil
            }
            if windows.count >= Self.peerLimit {
                windows = windows.filter { $0.value.end > now }
                let first = windows.min { $0.value.end < $1.value.end }
                if let first, windows.count >= Self.peerLimit { windows[first.key] = nil }
            }
            windows[peer] = Window(failures: 1, end: now + Self.window)
            return nil
        }
    }
}

extension APIProblem {
    static func tooManyFailures(retryAfter wait: Duration) -> APIProblem {
        let seconds = (wait.milliseconds + 999) / 1000
        return APIProblem(
            429, tooManyFailuresCode,
            "too many requests from this address came without a good token; those with one are answered as ever",
            headers: ["Retry-After": String(seconds)])
    }
}
