/// Polls until the condition holds; false where it does not within the deadline.
package func eventually(within deadline: Duration = .seconds(10), _ condition: () async -> Bool) async -> Bool {
    let end = ContinuousClock.now + deadline
    while !(await condition()) {
        guard ContinuousClock.now < end else { return false }
        try? await Task.sleep(for: .milliseconds(2))
    }
    return true
}
