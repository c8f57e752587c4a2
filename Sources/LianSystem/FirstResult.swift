import Synchronization

/// One result, the first that is given; any number of tasks wait for it, each as long as it is not cancelled.
package final class FirstResult<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, any Error>?
        var waiting: [Int: CheckedContinuation<Value, any Error>] = [:]
        var waiters = 0
    }

    private let state = Mutex(State())

    package init() {}

    package func settle(_ result: Result<Value, any Error>) {
        let waiting: [CheckedContinuation<Value, any Error>] = state.withLock { state in
            guard state.result == nil else { return [] }
            state.result = result
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume(with: result) }
    }

    package func value() async throws -> Value {
        let waiter = state.withLock { state in
            state.waiters += 1
            return state.waiters
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Value, any Error>? = state.withLock { state in
                    if let result = state.result { return result }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.waiting[waiter] = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let continuation: CheckedContinuation<Value, any Error>? = state.withLock {
                $0.waiting.removeValue(forKey: waiter)
            }
            continuation?.resume(throwing: CancellationError())
        }
    }
}
