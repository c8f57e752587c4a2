import LianBuild
import LianBuildKit
import LianModel
import LianReport
import LianSystem
import Synchronization

/// Keeps what a build tells of itself, for its report and its trace.
package final class ReportRecorder: BuildReporter {
    private let timing: Timing
    private let start: ContinuousClock.Instant
    private let state: Mutex<State>

    fileprivate struct State {
        var record: BuildRecord
        /// Where the running build of each artifact has its steps in the last attempt's list, by their numbers.
        var stepIndices: [String: [Int: Int]] = [:]
        var hasOpenPhase = false
        var hasOpenAttempt = false
    }

    package init(timing: Timing = .system) {
        self.timing = timing
        start = timing.now()
        state = Mutex(
            State(
                record: BuildRecord(
                    begun: UTCTime(milliseconds: timing.wallClock()), envelope: ResultEnvelope(status: .failed))))
    }

    package func report(_ event: ProgressEvent) {
        let now = now
        state.withLock { state in
            switch event {
            case .attemptStarted(let number, let sizing):
                state.closePhase(at: now)
                state.record.attempts.append(AttemptRecord(number: number, sizing: sizing, start: now, end: now))
                state.stepIndices = [:]
                state.hasOpenAttempt = true
            case .attemptEnded(_, let outcome): state.endAttempt(outcome, at: now)
            case .started(let phase, _): state.open(phase, at: now)
            case .artifactStarted(let name): state.stepIndices[name] = [:]
            case .step(let artifact, let step): state.take(step, of: artifact, at: now)
            case .usage(let sample):
                state.changeAttempt {
                    $0.samples.append(UsagePoint(at: now, cores: sample.cores, megabytes: sample.megabytes))
                }
            case .waiting, .finished, .context, .bringing, .output, .log, .artifactEnded, .volume, .note, .warning,
                .ended:
                break
            }
        }
    }

    /// The record, with what is known at the end.
    package func finish(_ envelope: ResultEnvelope, _ findings: BuildFindings) -> BuildRecord {
        let now = now
        return state.withLock { state in
            state.closePhase(at: now)
            // An attempt is still open where a second signal ended the build without waiting for it.
            if state.hasOpenAttempt { state.endAttempt(.cancelled, at: now) }
            state.record.envelope = envelope
            state.record.largest = findings.largest
            state.record.nextSize = findings.nextSize
            return state.record
        }
    }

    private var now: Int { (timing.now() - start).milliseconds }
}

extension ReportRecorder.State {
    fileprivate mutating func changeAttempt(_ change: (inout AttemptRecord) -> Void) {
        guard !record.attempts.isEmpty else { return }
        change(&record.attempts[record.attempts.count - 1])
    }

    fileprivate mutating func closePhase(at now: Int) {
        if hasOpenPhase { record.phases[record.phases.count - 1].end = now }
        hasOpenPhase = false
    }

    fileprivate mutating func open(_ phase: Phase, at now: Int) {
        closePhase(at: now)
        record.phases.append(PhaseSpan(phase, attempt: record.attempts.last?.number, start: now, end: now))
        hasOpenPhase = true
    }

    /// The engine says how long a step took, and its end is seen here: from both follows when the step began. A step
    /// that is seen running is taken to have begun then, until the engine says otherwise.
    fileprivate mutating func take(_ step: BuildStep, of artifact: String, at now: Int) {
        let known = stepIndices[artifact]?[step.number]
        changeAttempt { attempt in
            let seen = known.map { attempt.steps[$0].start } ?? now
            let isOver = step.state == .done || step.state == .failed || step.state == .cancelled
            let begun = isOver ? max(attempt.start, now - (step.milliseconds ?? now - seen)) : seen
            let taken = StepRecord(
                artifact: artifact, name: step.name, state: step.state, start: begun,
                duration: isOver ? now - begun : 0)
            if let known { attempt.steps[known] = taken } else { attempt.steps.append(taken) }
        }
        if known == nil {
            stepIndices[artifact, default: [:]][step.number] = (record.attempts.last?.steps.count ?? 1) - 1
        }
    }

    fileprivate mutating func endAttempt(_ outcome: AttemptOutcome, at now: Int) {
        hasOpenAttempt = false
        changeAttempt { attempt in
            attempt.end = now
            for index in attempt.steps.indices where attempt.steps[index].state == .running {
                attempt.steps[index].duration = now - attempt.steps[index].start
            }
            // The kernel tells how often it killed, not when: the end of the step that it killed stands for that
            // moment.
            if outcome == .oom {
                attempt.outOfMemoryAt = attempt.steps.last { $0.state == .failed }?.end ?? now
            }
        }
    }
}
