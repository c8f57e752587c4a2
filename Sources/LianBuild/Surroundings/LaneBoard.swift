import LianModel
import Synchronization

/// Tells what runners side by side do as one build: a phase begins with the first of them and ends with the last, and
/// what is of one platform alone says so.
final class LaneBoard: Sendable {
    /// Where the reports of one runner's side go.
    fileprivate struct Side: BuildReporter {
        let board: LaneBoard
        let platform: String

        func report(_ event: ProgressEvent) { board.take(event, of: platform) }

        func drain(to backlog: Int) async { await board.journal.drain(to: backlog) }
    }

    private struct State {
        var hasAttempt = false
        var isOver = false
        /// The platforms that are in a phase.
        var phases: [Phase: Set<String>] = [:]
        var contexts: [String: ContextProgress] = [:]
    }

    private let journal: BuildJournal
    /// Whose runner is the one that usage is shown of: that of one tells more than a sum of all.
    private let measured: String
    private let state = Mutex(State())

    init(_ journal: BuildJournal, platforms: [String]) {
        self.journal = journal
        measured = platforms.first ?? ""
    }

    func reporter(of platform: String) -> any BuildReporter { Side(board: self, platform: platform) }

    /// Told when the last runner has ended its work: what follows is the end of them all.
    func end(_ outcome: AttemptOutcome, attempt: Int) {
        state.withLock { $0.isOver = true }
        journal.report(.attemptEnded(number: attempt, outcome))
    }

    private func take(_ event: ProgressEvent, of platform: String) {
        // Told under the lock: in the order in which it came about.
        state.withLock { state in
            for told in Self.told(event, of: platform, isMeasured: platform == measured, &state) {
                journal.report(told)
            }
        }
        // Given once by the build as a whole.
        if case .warning(let warning) = event { journal.warn(warning) }
    }

    private static func told(
        _ event: ProgressEvent, of platform: String, isMeasured: Bool, _ state: inout State
    ) -> [ProgressEvent] {
        let name = { (artifact: String) in "\(artifact)-\(platform.replacing("/", with: "-"))" }
        let text = { (text: String) in "\(platform): \(text)" }
        switch event {
        case .attemptStarted(let number, let sizing):
            defer { state.hasAttempt = true }
            if !state.hasAttempt { return [.attemptStarted(number: number, sizing)] }
            return number > 1 ? [.note(text("trying once more on \(sizing.description)"))] : []
        case .attemptEnded(_, let outcome):
            for phase in state.phases.keys { state.phases[phase]?.remove(platform) }
            return outcome == .succeeded ? [] : [.note(text("its attempt ended: \(outcome.rawValue)"))]
        // While others still build, the end of one runner is no phase of the build's.
        case .started(.teardown, let what) where !state.isOver: return [.note(text(what))]
        case .waiting(.teardown, _) where !state.isOver: return []
        case .finished(.teardown, let what) where !state.isOver: return [.note(text(what))]
        case .started(let phase, let what):
            let isFirst = state.phases[phase, default: []].isEmpty
            state.phases[phase, default: []].insert(platform)
            return [isFirst ? .started(phase, text(what)) : .waiting(phase, text(what))]
        case .waiting(let phase, let what): return [.waiting(phase, text(what))]
        case .finished(let phase, let what):
            state.phases[phase]?.remove(platform)
            return state.phases[phase]?.isEmpty == false ? [] : [.finished(phase, text(what))]
        case .context(let progress):
            state.contexts[platform] = progress
            return [.context(sum(state.contexts.values))]
        case .artifactStarted(let artifact): return [.artifactStarted(name(artifact))]
        case .step(let artifact, let step): return [.step(artifact: name(artifact), step)]
        case .output(let artifact, let step, let lines):
            return [.output(artifact: name(artifact), step: step, lines: lines)]
        case .log(let artifact, let bytes): return [.log(artifact: name(artifact), bytes)]
        case .artifactEnded(let artifact, let status, let digest):
            return [.artifactEnded(name(artifact), status, digest: digest)]
        case .usage: return isMeasured ? [event] : []
        case .note(let what): return [.note(text(what))]
        // What is brought to the caller comes from one runner.
        case .volume, .bringing: return [event]
        case .warning, .ended: return []
        }
    }

    private static func sum(_ contexts: some Collection<ContextProgress>) -> ContextProgress {
        let rates = contexts.compactMap(\.bytesPerSecond)
        return ContextProgress(
            files: contexts.reduce(0) { $0 + $1.files }, bytes: contexts.reduce(0) { $0.upToLargest(adding: $1.bytes) },
            sentBytes: contexts.reduce(0) { $0.upToLargest(adding: $1.sentBytes) },
            bytesPerSecond: rates.isEmpty ? nil : rates.reduce(0, +),
            secondsLeft: contexts.compactMap(\.secondsLeft).max())
    }
}
