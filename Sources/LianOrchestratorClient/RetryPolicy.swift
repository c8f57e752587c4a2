import LianHTTP
import LianModel
import LianSystem

/// When a request is asked again. The pause before the nth time is drawn from `0 ..< min(cap, base·2ⁿ)`: full
/// jitter, so that clients that failed together do not come back together.
package struct RetryPolicy: Sendable {
    package var base: Duration = .milliseconds(200)
    package var cap: Duration = .seconds(5)
    /// How long a server that cannot be connected to at all is asked again, where nothing is at stake yet: enough for
    /// its restart, and not the whole of a spawn's deadline.
    package var patienceWhereUnreachable: Duration = .seconds(10)

    /// On this machine a refused connection is no outage of the network: nobody listens. It is tried just once more,
    /// after this pause, for an orchestrator that was started at the same time.
    package var pauseWhereRefusedHere: Duration = .milliseconds(1500)

    package init() {}

    func pause(beforeRetry retry: Int, random: Double) -> Duration {
        // Beyond 2^20 the cap has long been reached.
        let window = min(cap, base * (1 << min(retry, 20)))
        return window * random
    }

    static func isTransient(_ status: Int) -> Bool {
        [429, 502, 503, 504].contains(status)
    }
}
