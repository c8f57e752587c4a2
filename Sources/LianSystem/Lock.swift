import Synchronization

/// A lock around nothing but the order of calls.
package struct Lock: ~Copyable, Sendable {
    private let mutex = Mutex(())

    package init() {}

    package borrowing func withLock<Result>(_ body: () throws -> Result) rethrows -> Result {
        try mutex.withLock { _ in try body() }
    }
}
