import LianModel

/// A fact about a running build, for whoever watches it.
package enum ProgressEvent: Sendable {
    case started(Phase, String)
    case finished(Phase, String)
    case note(String)
    case warning(BuildWarning)
    /// A piece of the engine's log: whole and in order over all events.
    case log([UInt8])
}

/// Shows a build to its watcher. Called from any thread, in order; it never blocks the build for long.
package protocol BuildReporter: Sendable {
    func report(_ event: ProgressEvent)
}
