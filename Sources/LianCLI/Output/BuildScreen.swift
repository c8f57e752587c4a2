import LianBuild
import LianBuildKit
import LianModel

/// What a terminal shows of a build: lines that are settled and scroll away, and below them a block of what goes on.
/// It knows nothing of how that gets to the terminal.
struct BuildScreen: Sendable {
    struct RunningPhase: Sendable {
        let phase: Phase
        var text: String
        let since: ContinuousClock.Instant
    }

    struct RunningStep: Sendable {
        let name: String
        let since: ContinuousClock.Instant
        var lines: [String] = []
    }

    struct RunningArtifact: Sendable {
        let name: String
        let since: ContinuousClock.Instant
        var steps: [Int: RunningStep] = [:]
        /// Numbers of the steps that ended.
        var ended: Set<Int> = []
        var done = 0
        var cached = 0
    }

    private(set) var phases: [RunningPhase] = []
    private(set) var context: ContextProgress?
    /// Of outputs that are on their way here, by artifact.
    private(set) var bringing: [String: OutputProgress] = [:]
    /// In the order in which they began.
    private(set) var artifacts: [RunningArtifact] = []
    /// The attempt's steps of the artifacts that ended.
    private var endedSteps = StepCount(total: 0, cached: 0)
    private(set) var sizing: Sizing?
    private(set) var attemptStart: ContinuousClock.Instant?
    private(set) var usage: UsageSample?
    private var settled: [TerminalLine] = []
    private var slowest = SlowestSteps()
    private var artifactsSeen: Set<String> = []
    private var hasEnded = false
    let look: TerminalLook

    /// Steps that the engine takes beside the Dockerfile's are shown where they took this many seconds.
    private static let noticeable = 1.0
    private static let labelWidth = 9
    private static let timeWidth = 7

    init(_ look: TerminalLook) {
        self.look = look
    }

    var isRunning: Bool { !phases.isEmpty }

    /// "9 steps, 4 cached": those that ended so far.
    var stepsSoFar: String {
        let cached = artifacts.reduce(endedSteps.cached) { $0 + $1.cached }
        let total = artifacts.reduce(endedSteps.total) { $0 + $1.done + $1.cached }
        return "\(Figures.count(total, "step")), \(cached) cached"
    }

    /// What is to be written above the block, once.
    mutating func takeSettled() -> [TerminalLine] {
        defer { settled = [] }
        return settled
    }

    mutating func take(_ event: ProgressEvent, at now: ContinuousClock.Instant) {
        guard !hasEnded else { return }
        switch event {
        case .attemptStarted(let number, let sizing):
            failPhases(now)
            self.sizing = sizing
            attemptStart = now
            endedSteps = StepCount(total: 0, cached: 0)
            if number > 1 { note("attempt \(number): trying once more on \(sizing.description)", .warning) }
        case .attemptEnded(let number, let outcome): endAttempt(number, outcome, now)
        case .started(let phase, let text):
            phases.append(RunningPhase(phase: phase, text: text, since: now))
            if phase == .sync { context = nil }
        case .waiting(let phase, let text):
            if let index = phases.firstIndex(where: { $0.phase == phase }) { phases[index].text = text }
        case .finished(let phase, let text): endPhase(phase, text, now)
        case .context(let progress): context = progress
        case .bringing(let progress): bringing[progress.artifact] = progress
        case .artifactStarted(let name):
            artifactsSeen.insert(name)
            artifacts.removeAll { $0.name == name }
            artifacts.append(RunningArtifact(name: name, since: now))
        case .step(let artifact, let step): take(step, of: artifact, now)
        case .output(let artifact, let step, let lines):
            guard let index = artifacts.firstIndex(where: { $0.name == artifact }) else { return }
            artifacts[index].steps[step]?.lines = lines
        // A failed step's last lines come with the error; `--progress plain` shows all of it.
        case .log: break
        case .artifactEnded(let name, let status, _): endArtifact(name, status, now)
        case .usage(let sample): usage = sample
        case .volume(let volume): note("volume \(volume.latest)", .plain)
        case .note(let text): note(text, .plain)
        case .warning(let warning): note("\(warning.code.rawValue): \(warning.message)", .warning)
        case .ended(let envelope): end(envelope, now)
        }
    }

    // MARK: Lines that are settled

    private mutating func note(_ text: String, _ style: TerminalLine.Style) {
        settled.append(TerminalLine("\(look.warning) ", .warning, wraps: true, hanging: 2).adding(text, style))
    }

    /// `✓ sync      0.4s  3 files`
    func heading(
        _ mark: String, _ style: TerminalLine.Style, _ label: String, _ took: Duration, _ text: String
    ) -> TerminalLine {
        let space = String(repeating: " ", count: max(1, Self.labelWidth - label.count))
        return TerminalLine("\(mark) ", style).adding(label, .bold).adding(space)
            .adding(padded(time(took), to: Self.timeWidth), .faint).adding("  \(text)")
    }

    private mutating func endPhase(
        _ phase: Phase, _ text: String?, isSuccess: Bool = true, _ now: ContinuousClock.Instant
    ) {
        guard let index = phases.firstIndex(where: { $0.phase == phase }) else { return }
        let ended = phases.remove(at: index)
        var text = text ?? ended.text
        switch phase {
        case .sync:
            if isSuccess, let context {
                text = "\(Figures.count(context.files, "file")), \(Figures.bytes(context.sentBytes)) sent"
            }
        case .build: text += ": \(stepsSoFar)"
        default: break
        }
        settled.append(
            heading(
                isSuccess ? look.done : look.failed, isSuccess ? .good : .bad, phase.rawValue, now - ended.since, text))
    }

    /// A phase that did not end by itself did not end well: its runner may still be there, say.
    private mutating func failPhases(_ now: ContinuousClock.Instant) {
        for phase in phases { endPhase(phase.phase, nil, isSuccess: false, now) }
    }

    private mutating func endAttempt(_ number: Int, _ outcome: AttemptOutcome, _ now: ContinuousClock.Instant) {
        for phase in phases { endPhase(phase.phase, nil, isSuccess: outcome == .succeeded, now) }
        if outcome == .oom {
            note("attempt \(number): out of memory on \(sizing?.description ?? "this runner")", .warning)
        }
        artifacts = []
        bringing = [:]
        sizing = nil
        usage = nil
    }

    private mutating func take(_ step: BuildStep, of artifact: String, _ now: ContinuousClock.Instant) {
        guard let index = artifacts.firstIndex(where: { $0.name == artifact }) else { return }
        if step.state == .running {
            artifacts[index].steps[step.number] = RunningStep(name: step.name, since: now)
            return
        }
        let began = artifacts[index].steps.removeValue(forKey: step.number)?.since
        guard artifacts[index].ended.insert(step.number).inserted else { return }
        let took = step.milliseconds.map { Duration.milliseconds($0) } ?? began.map { now - $0 } ?? .zero
        slowest.add(step)
        switch step.state {
        case .cached:
            if step.isOfDockerfile { artifacts[index].cached += 1 }
        case .done:
            if step.isOfDockerfile { artifacts[index].done += 1 }
            if step.isOfDockerfile || (step.seconds ?? 0) >= Self.noticeable {
                settled.append(stepLine(look.done, .good, took, artifact, step.name))
            }
        case .failed:
            // A cache that is not there yet must not look like a failure.
            if !step.isOfCache { settled.append(stepLine(look.failed, .bad, took, artifact, step.name)) }
        case .running, .cancelled: break
        }
    }

    /// `  ✓    8.1s  [2/5] RUN make`
    func stepLine(
        _ mark: String, _ style: TerminalLine.Style, _ took: Duration, _ artifact: String?, _ name: String
    ) -> TerminalLine {
        let whose = artifactsSeen.count > 1 ? artifact.map { "\($0) " } ?? "" : ""
        return TerminalLine("  \(mark) ", style).adding(padded(time(took), to: Self.timeWidth), .faint)
            .adding("  ").adding(whose, .accent).adding(name)
    }

    private mutating func endArtifact(_ name: String, _ status: ArtifactResult.Status, _ now: ContinuousClock.Instant) {
        bringing[name] = nil
        let ended = artifacts.first { $0.name == name }
        artifacts.removeAll { $0.name == name }
        if let ended {
            endedSteps.total += ended.done + ended.cached
            endedSteps.cached += ended.cached
        }
        // The end of a single artifact is told by the build phase's own line.
        guard artifactsSeen.count > 1 || ended == nil else { return }
        let took = ended.map { now - $0.since } ?? .zero
        switch status {
        case .succeeded:
            let steps = ended.map { "\(Figures.count($0.done + $0.cached, "step")), \($0.cached) cached" } ?? ""
            settled.append(stepLine(look.done, .good, took, nil, "\(name): \(steps)"))
        case .failed: settled.append(stepLine(look.failed, .bad, took, nil, "\(name): failed"))
        case .skipped:
            settled.append(stepLine(look.skipped, .warning, took, nil, "\(name): skipped, what it depends on failed"))
        case .cancelled: settled.append(stepLine(look.skipped, .warning, took, nil, "\(name): cancelled"))
        }
    }

    private mutating func end(_ envelope: ResultEnvelope, _ now: ContinuousClock.Instant) {
        hasEnded = true
        failPhases(now)
        if envelope.status == .planned {
            settled += planSummary(envelope).map { TerminalLine($0, wraps: true) }
            return
        }
        let isSuccess = envelope.error == nil
        let summary = BuildSummary(envelope, slowest: slowest.steps)
        settled.append(
            TerminalLine("\(isSuccess ? look.done : look.failed) ", isSuccess ? .good : .bad, wraps: true)
                .adding(summary.title, .bold))
        for fact in summary.facts {
            let space = String(repeating: " ", count: max(1, Self.labelWidth - fact.label.count))
            settled.append(
                TerminalLine("  \(fact.label)\(space)", .faint, wraps: true, hanging: Self.labelWidth + 2).adding(
                    fact.text))
        }
        guard let error = envelope.error else { return }
        let lines = errorLines(error)
        settled += lines.prefix(1).map { TerminalLine($0, .bad, wraps: true, hanging: 2) }
        settled += lines.dropFirst().map { TerminalLine($0, wraps: true, hanging: 2) }
    }
}
