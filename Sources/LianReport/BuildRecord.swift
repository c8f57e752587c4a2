import LianBuildKit
import LianModel

/// What a report tells of one build. Times are milliseconds since the build began.
package struct BuildRecord: Sendable {
    package var begun: UTCTime
    /// In the order in which they began.
    package var phases: [PhaseSpan] = []
    package var attempts: [AttemptRecord] = []
    /// The largest files of the context, the largest first.
    package var largest: [Plan.LargePath] = []
    package var nextSize: NextSize?
    package var envelope: ResultEnvelope

    package init(begun: UTCTime, envelope: ResultEnvelope) {
        self.begun = begun
        self.envelope = envelope
    }

    /// How long the whole build took.
    package var total: Int {
        let ends = phases.map(\.end) + attempts.map(\.end)
        return max(envelope.timings?.total ?? 0, ends.max() ?? 0)
    }
}

/// One stage of the build, from its beginning to the beginning of the next one.
package struct PhaseSpan: Equatable, Sendable {
    package var phase: Phase
    /// nil before the first attempt.
    package var attempt: Int?
    package var start: Int
    package var end: Int

    package init(_ phase: Phase, attempt: Int?, start: Int, end: Int) {
        self.phase = phase
        self.attempt = attempt
        self.start = start
        self.end = end
    }

    var duration: Int { end - start }
}

/// What happened on one runner.
package struct AttemptRecord: Sendable {
    package var number: Int
    package var sizing: Sizing
    package var start: Int
    /// When the work ended; the runner is removed after that.
    package var end: Int
    package var steps: [StepRecord] = []
    package var samples: [UsagePoint] = []
    /// When memory ran out; nil where it did not.
    package var outOfMemoryAt: Int?

    package init(number: Int, sizing: Sizing, start: Int, end: Int) {
        self.number = number
        self.sizing = sizing
        self.start = start
        self.end = end
    }
}

/// A step as the engine reported it.
package struct StepRecord: Equatable, Sendable {
    package var artifact: String
    package var name: String
    package var state: BuildStep.State
    package var start: Int
    package var duration: Int

    package init(artifact: String, name: String, state: BuildStep.State, start: Int, duration: Int) {
        self.artifact = artifact
        self.name = name
        self.state = state
        self.start = start
        self.duration = duration
    }

    package var end: Int { start + duration }
}

/// What the build used at one moment.
package struct UsagePoint: Equatable, Sendable {
    package var at: Int
    /// The mean since the previous sample; nil for the first one.
    package var cores: Double?
    package var megabytes: Double

    package init(at: Int, cores: Double?, megabytes: Double) {
        self.at = at
        self.cores = cores
        self.megabytes = megabytes
    }
}
