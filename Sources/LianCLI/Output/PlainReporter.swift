import LianBuild
import LianModel
import LianSystem
import Synchronization

/// One stamped line per fact; the engine's log as it comes.
final class PlainReporter: BuildReporter {
    private let stderr: StandardError
    private let start = ContinuousClock.now
    private let state: Mutex<State>

    private struct State {
        var folds: LogFolds
        /// Whether the log's last byte ended a line: a fact never starts in the middle of one.
        var isAtLineStart = true
        var slowest = SlowestSteps()
        /// The artifact whose log is being shown.
        var artifact: String?
        /// When progress of the context was last told.
        var contextTold = ContinuousClock.now
        /// When progress of an output was last told.
        var outputTold = ContinuousClock.now
    }

    private let contextInterval: Duration

    init(_ stderr: StandardError, folding folds: LogFolds, contextInterval: Duration = .seconds(5)) {
        self.stderr = stderr
        self.contextInterval = contextInterval
        state = Mutex(State(folds: folds))
    }

    func report(_ event: ProgressEvent) {
        state.withLock { state in
            switch event {
            case .attemptStarted(let number, let sizing):
                if number > 1 { tell("attempt \(number): trying once more on \(sizing.description)", &state) }
            case .attemptEnded(let number, let outcome):
                endFold(&state)
                if outcome == .oom { tell("attempt \(number): out of memory", &state) }
            case .started(let phase, let text):
                startLine(&state)
                let title = stamped("\(phase.rawValue): \(text)")
                stderr.write(Array(state.folds.begin(title, holdsLog: phase == .build).utf8))
                if phase == .sync { state.contextTold = .now }
            case .waiting(let phase, let text): tell("\(phase.rawValue): \(text)", &state)
            case .finished(let phase, let text):
                tell("\(phase.rawValue): \(text)", &state)
                endFold(&state)
            case .context(let progress): tell(progress, &state)
            case .bringing(let progress): tell(progress, &state)
            case .artifactStarted, .output, .usage: break
            case .step(_, let step): state.slowest.add(step)
            case .artifactEnded(let name, let status, let digest):
                tell("build: \(name): \(digest ?? status.rawValue)", &state)
            case .volume(let volume): tell("volume: \(volume.latest)", &state)
            case .note(let text): tell(text, &state)
            case .warning(let warning): tell("warning[\(warning.code.rawValue)]: \(warning.message)", &state)
            case .log(let artifact, let bytes):
                guard let last = bytes.last else { return }
                // The engine numbers the steps of each artifact anew.
                if let before = state.artifact, before != artifact { tell("build: log of \(artifact)", &state) }
                state.artifact = artifact
                stderr.write(bytes)
                state.isAtLineStart = last == UInt8(ascii: "\n")
            case .ended(let envelope): tell(envelope, &state)
            }
        }
    }

    func drain(to backlog: Int) async { await stderr.drain(to: backlog) }

    private func tell(_ text: String, _ state: inout State) {
        startLine(&state)
        stderr.line(stamped(text))
    }

    private func startLine(_ state: inout State) {
        if !state.isAtLineStart { stderr.line("") }
        state.isAtLineStart = true
    }

    /// Seconds and tenths since the start, in a column of its own. The text may name a file of any name: nothing in it
    /// moves a terminal's cursor.
    private func stamped(_ text: String) -> String {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        let elapsed = "\(seconds).\(attoseconds / 100_000_000_000_000_000)s"
        return "[\(padded(elapsed, to: 7))] \(onOneLine(text, limit: 10_000))"
    }

    private func endFold(_ state: inout State) {
        startLine(&state)
        let end = state.folds.end()
        if !end.isEmpty { stderr.write(Array(end.utf8)) }
    }

    /// Tells of progress now and then: what takes long should be seen moving.
    private func tell(_ progress: ContextProgress, _ state: inout State) {
        let now = ContinuousClock.now
        guard progress.sentBytes < progress.bytes, now - state.contextTold >= contextInterval else { return }
        state.contextTold = now
        tell("sync: \(contextFacts(progress).joined(separator: ", "))", &state)
    }

    private func tell(_ progress: OutputProgress, _ state: inout State) {
        let now = ContinuousClock.now
        guard now - state.outputTold >= contextInterval else { return }
        state.outputTold = now
        tell("build: \(outputFacts(progress).joined(separator: ", "))", &state)
    }

    private func tell(_ envelope: ResultEnvelope, _ state: inout State) {
        endFold(&state)
        if envelope.status == .planned {
            for line in planSummary(envelope) { tell(line, &state) }
        } else {
            let summary = BuildSummary(envelope, slowest: state.slowest.steps)
            tell(summary.title, &state)
            for fact in summary.facts { tell("\(fact.label): \(fact.text)", &state) }
        }
        guard let error = envelope.error else { return }
        for line in errorLines(error) { stderr.line(line) }
        let annotation = state.folds.annotation(error)
        if !annotation.isEmpty { stderr.write(Array(annotation.utf8)) }
    }
}

/// What there is to say of an output's way.
func outputFacts(_ progress: OutputProgress) -> [String] {
    let rate = progress.bytesPerSecond.map { "\(Figures.bytes(Int(Figures.bounded($0))))/s" }
    return ["\(progress.dest): \(Figures.bytes(progress.receivedBytes)) received", rate].compactMap { $0 }
}

/// What there is to say of the context's way, the most important first.
func contextFacts(_ progress: ContextProgress) -> [String] {
    // A hundred times a sparse file's size may be more than an Int holds.
    let percent = progress.bytes > 0 ? min(100, Int128(progress.sentBytes) * 100 / Int128(progress.bytes)) : 100
    var facts = ["\(percent) %", "\(Figures.bytes(progress.sentBytes)) of \(Figures.bytes(progress.bytes))"]
    if let rate = progress.bytesPerSecond { facts.append("\(Figures.bytes(Int(Figures.bounded(rate))))/s") }
    if let left = progress.secondsLeft, left > 0 {
        facts.append("\(time(.seconds(Int(Figures.bounded(left.rounded(.up)))))) left")
    }
    return facts + [Figures.count(progress.files, "file")]
}
