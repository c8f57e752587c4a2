/// The size that history would choose for a workspace's next build, if nobody asked for another.
package enum NextSize: Equatable, Sendable {
    case sized(Sizing, UsageHistory)
    /// Too few builds are known.
    case noHistory
    case unknown(reason: String)

    package init(_ history: UsageHistory, ladder: TierLadder) {
        let sizing = Sizing.resolve(explicit: SizeWish(), history: history, language: nil, ladder: ladder)
        self = sizing.source == .p95 ? .sized(sizing, history) : .noHistory
    }
}
