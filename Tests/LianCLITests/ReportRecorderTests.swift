import LianBuild
import LianBuildKit
import LianCLI
import LianModel
import LianReport
import LianSystem
import LianTestSupport
import Testing

@Suite struct ReportRecorderTests {
    private static let small = Sizing(
        source: .language, size: RunnerSize(cpu: 2, memoryGB: 4), timeBudgetMinutes: 30, tier: "small")

    private func step(_ number: Int, _ name: String, _ state: BuildStep.State, seconds: Double? = nil) -> BuildStep {
        var reader = BuildLogReader()
        let words: [String] =
            switch state {
            case .running: []
            case .done: ["#\(number) DONE \(seconds ?? 0)s"]
            case .cached: ["#\(number) CACHED"]
            case .failed: ["#\(number) ERROR: no"]
            case .cancelled: ["#\(number) CANCELED"]
            }
        let text = (["#\(number) \(name)"] + words).joined(separator: "\n") + "\n"
        _ = reader.read(Array(text.utf8))
        return reader.steps[0]
    }

    @Test func phasesFollowEachOther() async throws {
        let clock = SkippedTime(wallClock: 1_000_000)
        let recorder = ReportRecorder(timing: clock.timing)
        recorder.report(.started(.resolve, ""))
        try await clock.timing.sleep(.milliseconds(10))
        recorder.report(.finished(.resolve, ""))
        recorder.report(.attemptStarted(number: 1, Self.small))
        recorder.report(.started(.spawn, ""))
        try await clock.timing.sleep(.milliseconds(20))
        recorder.report(.started(.connect, ""))
        try await clock.timing.sleep(.milliseconds(5))
        recorder.report(.attemptEnded(number: 1, .failed))
        recorder.report(.started(.teardown, ""))
        try await clock.timing.sleep(.milliseconds(7))
        let record = recorder.finish(ResultEnvelope(status: .failed), BuildFindings())
        #expect(
            record.phases == [
                PhaseSpan(.resolve, attempt: nil, start: 0, end: 10), PhaseSpan(.spawn, attempt: 1, start: 10, end: 30),
                PhaseSpan(.connect, attempt: 1, start: 30, end: 35),
                PhaseSpan(.teardown, attempt: 1, start: 35, end: 42),
            ])
        #expect(record.attempts.map(\.end) == [35] && record.begun.milliseconds == 1_000_000)
    }

    @Test func aStepBeganAsLongAgoAsItTook() async throws {
        let clock = SkippedTime(wallClock: 1_000_000)
        let recorder = ReportRecorder(timing: clock.timing)
        recorder.report(.attemptStarted(number: 1, Self.small))
        recorder.report(.artifactStarted("app"))
        recorder.report(.step(artifact: "app", step(1, "[1/4] a", .cached)))
        try await clock.timing.sleep(.milliseconds(1000))
        recorder.report(.step(artifact: "app", step(2, "[2/4] b", .running)))
        try await clock.timing.sleep(.milliseconds(500))
        recorder.report(.step(artifact: "app", step(3, "[3/4] c", .done, seconds: 0.2)))
        try await clock.timing.sleep(.milliseconds(500))
        recorder.report(.step(artifact: "app", step(2, "[2/4] b", .done, seconds: 0.9)))
        recorder.report(.step(artifact: "app", step(4, "[4/4] d", .running)))
        recorder.report(.usage(UsageSample(cores: 1.5, megabytes: 300)))
        try await clock.timing.sleep(.milliseconds(50))
        recorder.report(.step(artifact: "app", step(4, "[4/4] d", .failed)))
        try await clock.timing.sleep(.milliseconds(50))
        recorder.report(.attemptEnded(number: 1, .oom))
        let attempt = recorder.finish(ResultEnvelope(status: .failed), BuildFindings()).attempts[0]
        #expect(
            attempt.steps == [
                StepRecord(artifact: "app", name: "[1/4] a", state: .cached, start: 0, duration: 0),
                StepRecord(artifact: "app", name: "[2/4] b", state: .done, start: 1100, duration: 900),
                StepRecord(artifact: "app", name: "[3/4] c", state: .done, start: 1300, duration: 200),
                StepRecord(artifact: "app", name: "[4/4] d", state: .failed, start: 2000, duration: 50),
            ])
        #expect(attempt.samples == [UsagePoint(at: 2000, cores: 1.5, megabytes: 300)])
        #expect(attempt.outOfMemoryAt == 2050)
    }

    @Test func anAttemptThatNobodyWaitedFor() async throws {
        let clock = SkippedTime(wallClock: 1_000_000)
        let recorder = ReportRecorder(timing: clock.timing)
        recorder.report(.attemptStarted(number: 1, Self.small))
        recorder.report(.started(.build, ""))
        recorder.report(.step(artifact: "app", step(1, "[1/1] RUN wait", .running)))
        try await clock.timing.sleep(.milliseconds(70))
        let record = recorder.finish(ResultEnvelope(status: .cancelled), BuildFindings())
        #expect(record.attempts[0].end == 70 && record.attempts[0].steps.map(\.duration) == [70])
        #expect(record.phases.map(\.end) == [70])
    }

    /// Its numbers begin anew, and those of the first try stay what they were.
    @Test func aPushThatIsTriedAgain() async throws {
        let clock = SkippedTime(wallClock: 1_000_000)
        let recorder = ReportRecorder(timing: clock.timing)
        recorder.report(.attemptStarted(number: 1, Self.small))
        for state in [BuildStep.State.failed, .running] {
            recorder.report(.artifactStarted("app"))
            try await clock.timing.sleep(.milliseconds(10))
            recorder.report(.step(artifact: "app", step(1, "exporting", state)))
        }
        try await clock.timing.sleep(.milliseconds(10))
        recorder.report(.attemptEnded(number: 1, .cancelled))
        let attempt = recorder.finish(ResultEnvelope(status: .failed), BuildFindings()).attempts[0]
        #expect(attempt.steps.map(\.state) == [.failed, .running])
        #expect(attempt.steps.map(\.duration) == [0, 10] && attempt.outOfMemoryAt == nil)
    }
}
