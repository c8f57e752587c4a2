/// Looks until the condition holds; false where it does not in time.
package func eventually(
    within limit: Duration = .seconds(30), _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
        if try await condition() { return true }
        // Cancelled, it looks once more and is done.
        do { try await Task.sleep(for: .milliseconds(5)) } catch { break }
    }
    return try await condition()
}
