import Synchronization

/// A value that several threads read and set.
package final class Guarded<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    package init(_ value: Value) {
        mutex = Mutex(value)
    }

    package var value: Value { mutex.withLock { $0 } }

    package func set(_ value: Value) {
        mutex.withLock { $0 = value }
    }

    package func update(_ body: (inout Value) -> Void) {
        mutex.withLock { body(&$0) }
    }
}
