import Glibc
import LianSystem

/// A failure that may have passed when the same is asked again.
protocol PassingFailure: Error {
    /// Whether the same question may be answered a little later.
    var mayPass: Bool { get }
    /// How long not to ask again.
    var pause: Duration { get }
}

/// Asks again for as long as that may help: what was asked is busy, its limit is reached, an answer was lost.
func patiently<Value, Failure: PassingFailure>(
    until end: ContinuousClock.Instant, while isWanted: () -> Bool = { true }, _ body: () throws(Failure) -> Value
) throws(Failure) -> Value {
    var pause: Duration = .milliseconds(500)
    while true {
        do {
            return try body()
        } catch {
            let next = max(pause, error.pause)
            guard error.mayPass, .now + next < end, waitOut(next, while: isWanted) else { throw error }
            pause = min(pause * 2, .seconds(5))
        }
    }
}

/// Sleeps, unless nobody wants it any more: false then.
func waitOut(_ time: Duration, while isWanted: () -> Bool) -> Bool {
    let end = ContinuousClock.now + time
    while isWanted() {
        let left = end - .now
        guard left > .zero else { return true }
        usleep(UInt32(min(left, .milliseconds(200)).milliseconds) * 1000 + 1000)
    }
    return false
}
