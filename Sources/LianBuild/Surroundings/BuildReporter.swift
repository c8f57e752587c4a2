/// Shows a build to its watcher. Called from any thread, in order.
package protocol BuildReporter: Sendable {
    /// Waits for no watcher.
    func report(_ event: ProgressEvent)

    /// Returns once the watcher has no more than that many bytes to read, or does not read any more. Whoever tells much
    /// waits for this in between.
    func drain(to backlog: Int) async
}

extension BuildReporter {
    /// For one that keeps what is told, or shows little of it.
    package func drain(to backlog: Int) async {}
}
