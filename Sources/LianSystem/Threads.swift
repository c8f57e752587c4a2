import Glibc

/// Runs a body that blocks on a thread made for it, so that the pool's few threads stay free.
package func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        do {
            try startThread { continuation.resume(returning: body()) }
        } catch {
            // No thread can be had: to run late is better than never.
            continuation.resume(returning: body())
        }
    }
}

/// The same for a body that may take longer than a cancelled caller will wait. Such a caller gets CancellationError at
/// once. The body goes on alone, and learns of it from its argument.
package func onOwnThread<Value: Sendable>(
    _ body: @escaping @Sendable (_ isGivenUp: @escaping @Sendable () -> Bool) throws -> Value
) async throws -> Value {
    let result = FirstResult<Value>()
    let isGivenUp = Guarded(false)
    try startThread { result.settle(Result { try body { isGivenUp.value } }) }
    return try await withTaskCancellationHandler {
        try await result.value()
    } onCancel: {
        isGivenUp.set(true)
    }
}

/// Waits for what is done in a Task, on a thread that may block: never called from a Task.
package func waiting<Value: Sendable>(for body: @escaping @Sendable () async throws -> Value) throws -> Value {
    let outcome = Monitor<Result<Value, any Error>?>(nil)
    Task {
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        outcome.update { $0 = result }
    }
    guard let result = outcome.wait(atMost: nil, until: { $0 }) else { throw CancellationError() }
    return try result.get()
}

/// Starts a thread that ends with its body.
package func startThread(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
    let box = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let result = pthread_create(
        &thread, nil,
        { argument in
            if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        }, box.toOpaque())
    guard result == 0 else {
        box.release()
        throw SystemError("pthread_create", result)
    }
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
        self.run = run
    }
}
