import LianBuild
import LianBuildKit
import LianModel
import LianReport
import LianTestSupport

@testable import LianCLI

/// Everything that shows or counts what a runner's bytes were read as. A number that was let in comes as far as here.
struct Watchers {
    private var screen = BuildScreen(TerminalLook(hasColors: true, hasUnicode: true))
    private let recorder = ReportRecorder()
    private let start = ContinuousClock.now
    private let sizing = Sizing(
        source: .language, size: RunnerSize(cpu: 2, memoryGB: 4), timeBudgetMinutes: 30, tier: "cx22")

    init() {
        take(.attemptStarted(number: 1, sizing))
        take(.started(.build, "app"))
        take(.artifactStarted("app"))
    }

    mutating func take(_ changes: StepChanges) {
        for step in changes.steps { take(.step(artifact: "app", step)) }
        for output in changes.output { take(.output(artifact: "app", step: output.step, lines: output.lines)) }
    }

    mutating func take(_ event: ProgressEvent) {
        screen.take(event, at: start)
        recorder.report(event)
    }

    /// One frame.
    mutating func draw() {
        let look = screen.look
        for line in screen.block(columns: 100, rows: 24, at: start + .seconds(2)) + screen.takeSettled() {
            _ = line.rendered(columns: 100, look)
        }
    }

    /// The end of the build, with a summary and, where one is wanted, a report.
    mutating func end(_ log: BuildLogReader = BuildLogReader(), usage: UsageResult? = nil, writesReport: Bool) {
        var envelope = ResultEnvelope(status: .succeeded)
        envelope.sizing = sizing
        envelope.attempts = [
            AttemptResult(number: 1, tier: "cx22", outcome: .succeeded, exitCode: 0, durationMS: 1, oom: nil)
        ]
        var artifact = ArtifactResult(name: "app", image: "a:1", tags: [], platforms: [], status: .succeeded)
        artifact.steps = StepCount(total: max(1, log.stepCount), cached: log.cachedCount)
        envelope.artifacts = [artifact]
        envelope.usage = usage
        take(.attemptEnded(number: 1, .succeeded))
        take(.ended(envelope))
        draw()
        if writesReport { _ = reportPage(recorder.finish(envelope, BuildFindings())) }
    }
}
