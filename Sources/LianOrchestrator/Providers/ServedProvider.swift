import LianSystem

/// A provider that is served. It may not be there yet: a cluster that hangs when the orchestrator starts keeps nobody from
/// the others, and is tried again until it answers. Until then nothing is made by it, and its runners stay as they are.
package final class ServedProvider: Sendable {
    package let name: String
    private let configuredKind: String
    private let open: @Sendable () throws(ProviderError) -> any RunnerProvider
    private let state: Monitor<State>

    private struct State {
        var opened: (any RunnerProvider)?
        /// Why the last try has failed.
        var failure: ProviderError?
        var lastTry: ContinuousClock.Instant?
        var isOpening = false
    }

    /// A failure counts for so long, so that what asks often does not try as often.
    private let pause: Duration
    /// How long whoever needs it waits until it is there.
    private static let patience: Duration = .seconds(12)

    /// `open` finds everything that runners need and may be called again; it ends by itself in bounded time.
    package init(
        name: String, kind: String, pause: Duration = .seconds(5),
        open: @escaping @Sendable () throws(ProviderError) -> any RunnerProvider
    ) {
        self.name = name
        configuredKind = kind
        self.pause = pause
        self.open = open
        state = Monitor(State())
    }

    /// One that is there already.
    package init(_ provider: any RunnerProvider) {
        name = provider.name
        configuredKind = provider.kind
        pause = .zero
        open = { () throws(ProviderError) in provider }
        state = Monitor(State(opened: provider))
    }

    package var kind: String { state.current.opened?.kind ?? configuredKind }

    /// The provider if it is there.
    package var current: (any RunnerProvider)? { state.current.opened }

    /// The provider if it is there. If it is not, somebody tries again meanwhile.
    package var ifOpen: (any RunnerProvider)? {
        if let opened = state.current.opened { return opened }
        tryAgain()
        return nil
    }

    /// The provider, or why it is not there: tried now, unless that has failed a moment ago. With nil whatever time it
    /// takes is waited for.
    package func opened(within limit: Duration? = ServedProvider.patience) throws(ProviderError) -> any RunnerProvider {
        if let opened = state.current.opened { return opened }
        tryAgain()
        _ = state.wait(atMost: limit) { $0.isOpening ? nil : true }
        if let opened = state.current.opened { return opened }
        throw ProviderError(whyNot)
    }

    /// Why runners cannot be reached or made there at present; nil where they can.
    package var problem: String? {
        if let opened = ifOpen { return opened.problem }
        return whyNot
    }

    private var whyNot: String { state.current.failure?.description ?? "it does not answer" }

    private func tryAgain() {
        let isDue = state.update { state in
            let isTooSoon = state.lastTry.map { ContinuousClock.now - $0 < pause } ?? false
            guard state.opened == nil, !state.isOpening, !isTooSoon else { return false }
            state.isOpening = true
            return true
        }
        guard isDue else { return }
        let attempt = { @Sendable in
            let result = Result { () throws(ProviderError) in try self.open() }
            self.state.update { state in
                switch result {
                case .success(let provider): state.opened = provider
                case .failure(let failure): state.failure = failure
                }
                state.lastTry = .now
                state.isOpening = false
            }
        }
        do {
            try startThread(attempt)
        } catch {
            // No thread can be started: doing it here is better than never.
            attempt()
        }
    }
}
