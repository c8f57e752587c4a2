/// What the body gives within the limit, or nil. A body that hangs is left behind, cancelled: nothing here waits for
/// it. A cancelled caller gets CancellationError at once.
package func withinLimit<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
    let first = FirstResult<Value?>()
    let work = Task {
        do { first.settle(.success(try await body())) } catch { first.settle(.failure(error)) }
    }
    let timer = Task {
        // The sleep is cancelled where the body was faster: then nobody listens any more.
        try? await Task.sleep(for: limit)
        first.settle(.success(nil))
    }
    defer {
        timer.cancel()
        work.cancel()
    }
    return try await first.value()
}

/// What the body gives, which is cancelled when `limit` returns first: for a body that soon ends then.
package func cancelling<Value: Sendable>(
    after limit: @escaping @Sendable () async -> Void, _ body: @escaping @Sendable () async -> Value
) async -> Value {
    let work = Task { await body() }
    let timer = Task {
        await limit()
        work.cancel()
    }
    defer { timer.cancel() }
    return await work.value
}
