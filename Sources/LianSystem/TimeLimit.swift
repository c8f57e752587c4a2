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
        // Cancelled where the body was faster: then nobody listens any more.
        try? await Task.sleep(for: limit)
        first.settle(.success(nil))
    }
    defer {
        timer.cancel()
        work.cancel()
    }
    return try await first.value()
}
