import Glibc

/// A value behind a lock, and a way for threads to sleep until it has changed. For threads that may block: never
/// called from a Task.
///
/// `@unchecked Sendable`: the value is only touched while the lock is held, and the lock and the condition live at
/// addresses of their own, which C requires.
package final class Monitor<Value: Sendable>: @unchecked Sendable {
    private var value: Value
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    package init(_ value: Value) {
        self.value = value
        lock = .allocate(capacity: 1)
        lock.initialize(to: pthread_mutex_t())
        pthread_mutex_init(lock, nil)
        changed = .allocate(capacity: 1)
        changed.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // A wait must not end early or late because someone set the clock.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(lock)
        changed.deallocate()
        lock.deallocate()
    }

    /// Reads or changes the value, and wakes everyone who waits for it.
    package func update<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
        return try body(&value)
    }

    package var current: Value {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return value
    }

    /// Waits until the body returns something, trying again at each change; nil once the time is up.
    @discardableResult
    package func wait<Result>(atMost limit: Duration?, until body: (inout Value) -> Result?) -> Result? {
        var end = timespec()
        if let limit {
            let (seconds, attoseconds) = limit.components
            clock_gettime(CLOCK_MONOTONIC, &end)
            let nanoseconds = end.tv_nsec + Int(attoseconds / 1_000_000_000)
            end.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
            end.tv_nsec = nanoseconds % 1_000_000_000
        }
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while true {
            if let result = body(&value) { return result }
            if limit == nil {
                pthread_cond_wait(changed, lock)
            } else if pthread_cond_timedwait(changed, lock, &end) == ETIMEDOUT {
                return body(&value)
            }
        }
    }
}
