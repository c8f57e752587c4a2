/// The size that history would choose for a workspace's next build, if nobody asked for another.
package enum NextSize: Equatable, Sendable {
    case sized(Sizing, UsageHistory)
    /// Too few builds are known.
    case noHistory
    case unknown(reason: String)

    package init(_ history: UsageHistory, ladder: TierLadder) {
        let sizing = Sizing.resolve(asked: SizeWish(), history: history, language: nil, ladder: ladder)
        self = sizing.source == .p95 ? .sized(sizing, history) : .noHistory
    }
}

extension NextSize {
    /// Why it is this one, for a person.
    package var reason: String {
        switch self {
        case .sized(_, let history): history.reason
        case .noHistory: "no history of this workspace is long enough yet to choose a size by"
        case .unknown(let reason): reason
        }
    }
}

extension UsageHistory {
    /// Why a size follows from it.
    package var reason: String {
        let peaks = [cpuP95.map { "\(Figures.decimal($0)) cores" }, memoryMBP95.map { Figures.memory(megabytes: $0) }]
            .compactMap { $0 }.joined(separator: " and ")
        return "95 % of \(Figures.count(samples, "recorded build")) used no more than \(peaks), and a fifth is added"
    }
}
