/// Shows a build to its watcher. Called from any thread, in order; it never blocks the build for long.
package protocol BuildReporter: Sendable {
    func report(_ event: ProgressEvent)
}
