import LianModel
import LianReport
import LianSystem
import Synchronization

/// Sends one build's trace where the environment says. While the build runs, the collector is asked whether it takes
/// anything at all; only one that does is waited for when the build is over, and no longer than one request may take.
/// Nothing of this fails a build.
package final class TraceExport: Sendable {
    private let collector: Collector?
    /// What keeps the trace from being sent; nil where nothing does.
    private let question: Task<String?, Never>
    private let state = Mutex(State())

    private struct State {
        var sending: Task<String?, Never>?
        var isGivenUp = false
    }

    /// Begins to ask, beside whatever comes next; nil where no trace is asked for.
    package init?(environment: [String: String]) {
        do {
            guard let settings = try TraceSettings.read(environment) else { return nil }
            let collector = try Collector(settings)
            self.collector = collector
            question = Task { await collector.problem(sending: []) }
        } catch {
            let reason = (error as? TraceSettings.Unusable)?.reason ?? "\(error)"
            collector = nil
            question = Task { "no trace is sent: \(reason)" }
        }
    }

    /// The value of TRACEPARENT for whoever works for this build; nil where no trace is sent.
    package var parentForOthers: String? { collector?.context.parentForOthers }

    /// Sends the trace of a build that is over, once; a warning where it did not arrive.
    package func finish(_ record: BuildRecord) async -> BuildWarning? {
        let sending = Task { [collector, question] in
            let problem = await question.value
            guard problem == nil, let collector else { return problem }
            return await collector.problem(sending: BuildTrace(record, in: collector.context).spans)
        }
        let isGivenUp = state.withLock { state in
            state.sending = sending
            return state.isGivenUp
        }
        if isGivenUp { sending.cancel() }
        return await sending.value.map { BuildWarning(.traceNotSent, $0) }
    }

    /// The build is to end now: the trace is not waited for.
    package func giveUp() {
        let sending = state.withLock { state in
            state.isGivenUp = true
            return state.sending
        }
        question.cancel()
        sending?.cancel()
    }
}
