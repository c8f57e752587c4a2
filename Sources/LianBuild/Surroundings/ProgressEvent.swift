import LianBuildKit
import LianModel

/// A fact about a running build, for whoever watches it. Secrets are masked in it already.
///
/// A build tells, in this order: the phases of preparing it; then for each attempt `attemptStarted`, its phases, in the
/// build phase each artifact with its steps, `attemptEnded`, and the teardown; last of all `ended`, once.
package enum ProgressEvent: Sendable {
    /// An attempt begins, on a runner of this size and with this time budget.
    case attemptStarted(number: Int, Sizing)
    case attemptEnded(number: Int, AttemptOutcome)

    /// A phase begins, and what it does or waits for.
    case started(Phase, String)
    /// The phase goes on, and waits for something else from here on.
    case waiting(Phase, String)
    /// The phase ended well. Where a phase fails, `attemptEnded` or `ended` tells of it.
    case finished(Phase, String)

    /// How much of the context is sent: told a few times a second while it is sent, and at its end.
    case context(ContextProgress)

    /// An artifact's build begins, from its first step: also where its push is tried again.
    case artifactStarted(String)
    /// A step is in another state than before. A step that passes in a moment is told once, in its last state. Steps
    /// are numbered within their artifact.
    case step(artifact: String, BuildStep)
    /// What a running step printed last: a few lines, which `log` holds too.
    case output(artifact: String, step: Int, lines: [String])
    /// A piece of the engine's log for people: whole lines, in order and complete over all events of the artifact.
    case log(artifact: String, [UInt8])
    /// How much of an output is here: told a few times a second while it is brought.
    case bringing(OutputProgress)
    /// An artifact's build ended. Where it is cancelled on its way, only `attemptEnded` tells of it.
    case artifactEnded(String, ArtifactResult.Status, digest: String?)

    /// What the build uses of its runner, about once a second while it runs.
    case usage(UsageSample)

    /// What the runner found on its volume; once more when it is known whether the volume is kept.
    case volume(VolumeResult)

    case note(String)
    case warning(BuildWarning)

    /// The end of everything, with all that is known.
    case ended(ResultEnvelope)
}

/// How far an output's way to the caller is.
package struct OutputProgress: Equatable, Sendable {
    package var artifact: String
    /// The path, or what takes it.
    package var dest: String
    /// The bytes of rsync's stream that came over the wire so far.
    package var receivedBytes: Int
    /// The rate over the last seconds; nil until there is something to measure.
    package var bytesPerSecond: Double?

    package init(artifact: String, dest: String, receivedBytes: Int, bytesPerSecond: Double? = nil) {
        self.artifact = artifact
        self.dest = dest
        self.receivedBytes = receivedBytes
        self.bytesPerSecond = bytesPerSecond
    }
}

/// How far the context's way to the runner is.
package struct ContextProgress: Equatable, Sendable {
    /// What travels: files and links, and their bytes.
    package var files: Int
    package var bytes: Int
    /// The bytes of rsync's stream that went over the wire so far: names and framing are among them.
    package var sentBytes: Int
    /// The rate over the last seconds; nil until there is something to measure.
    package var bytesPerSecond: Double?
    /// The time left at that rate; nil where it cannot be told.
    package var secondsLeft: Double?

    package init(
        files: Int, bytes: Int, sentBytes: Int = 0, bytesPerSecond: Double? = nil, secondsLeft: Double? = nil
    ) {
        self.files = files
        self.bytes = bytes
        self.sentBytes = sentBytes
        self.bytesPerSecond = bytesPerSecond
        self.secondsLeft = secondsLeft
    }
}
