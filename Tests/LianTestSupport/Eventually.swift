/// Looks until the condition holds; false where it does not in time. The limit only ends a test that fails: it is no
/// claim of how fast anything is. Where a look takes long, it is taken less often, so that what it looks for has its time.
package func eventually(
    within limit: Duration = .seconds(120), _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let end = ContinuousClock.now + limit
    var start = ContinuousClock.now
    while start < end {
        if try await condition() { return true }
        // Cancelled, it looks once more and is done.
        let pause = max(.milliseconds(5), ContinuousClock.now - start)
        do { try await Task.sleep(for: pause) } catch { break }
        start = .now
    }
    return try await condition()
}

/// For what depends on a time that a busy machine may need more of: the body is given `first`, and four times as much
/// as before until that was enough, or is ample anywhere. What it gave last.
package func withEnoughTime<Value>(
    from first: Duration, ample: Duration = .seconds(30), _ body: (Duration) async throws -> Value,
    wasEnough: (Value) -> Bool
) async rethrows -> Value {
    var time = first
    while true {
        let value = try await body(time)
        if wasEnough(value) || time >= ample { return value }
        time *= 4
    }
}
