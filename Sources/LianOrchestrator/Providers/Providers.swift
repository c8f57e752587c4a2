import LianModel
import LianSystem

/// The providers that serve side by side, in the order of the configuration.
package struct Providers: Sendable {
    package let all: [ServedProvider]
    /// Removes what runners of this machine have left, whichever provider made them: the configuration may name it no more.
    private let machine: any RunnerRemover

    package init(_ first: ServedProvider, _ others: [ServedProvider] = [], machine: any RunnerRemover) {
        all = [first] + others
        self.machine = machine
    }

    /// Whether its runners are on the machine of the orchestrator. nil is of a runner that an earlier version has made,
    /// which knew no others.
    private static func isOfThisMachine(_ kind: String?) -> Bool {
        kind.map { ProviderConfig.Kind(rawValue: $0)?.isOfThisMachine == true } ?? true
    }
}

// MARK: - Who makes a runner

extension Providers {
    /// Those that can serve the request, the first choice first. Throws why none ever can.
    func able(toServe request: SpawnRequest) throws(ProviderError) -> [ServedProvider] {
        let candidates = try called(request.provider)
        var refusals: [String] = []
        let able = candidates.filter { candidate in
            // One that is not there yet may well be able to.
            guard let refusal = candidate.ifOpen?.refusal(of: request) else { return true }
            refusals.append(candidates.count == 1 ? refusal : "\(candidate.name): \(refusal)")
            return false
        }
        guard !able.isEmpty else { throw ProviderError(refusals.joined(separator: "; ")) }
        return able
    }

    /// The one of that name, else those of that kind; all of them where nothing is wanted.
    func called(_ wanted: String?) throws(ProviderError) -> [ServedProvider] {
        guard let wanted else { return all }
        let named = all.filter { $0.name == wanted }
        let found = named.isEmpty ? all.filter { $0.kind == wanted } : named
        guard !found.isEmpty else {
            let told = all.map { $0.kind == $0.name ? "'\($0.name)'" : "'\($0.name)' (\($0.kind))" }
            throw ProviderError("provider '\(wanted)' is not served here: there is \(told.joined(separator: ", "))")
        }
        return found
    }

    /// A provider, and what stands in its way just now.
    struct Candidate {
        let provider: ServedProvider
        /// Waits for the answer.
        let obstacle: () -> SpawnObstacle?
    }

    /// Asks all of them side by side, so that one that hangs keeps nobody from the others: those of which trouble is known
    /// already come last.
    func candidates(_ able: [ServedProvider], for request: SpawnRequest) -> [Candidate] {
        guard able.count > 1 else {
            return able.map { provider in Candidate(provider: provider) { provider.obstacle(to: request) } }
        }
        let end = ContinuousClock.now + Self.obstacleLimit
        let troubled = able.filter { $0.problem != nil }
        let well = able.filter { one in !troubled.contains { $0 === one } }
        return (well + troubled).map { provider in
            let answer = Monitor<Answer>(.none)
            let ask = { @Sendable in answer.update { $0 = .given(provider.obstacle(to: request)) } }
            do { try startThread(ask) } catch { ask() }
            return Candidate(provider: provider) {
                let given = answer.wait(atMost: max(.zero, end - .now)) { answer -> Answer? in
                    if case .given = answer { answer } else { nil }
                }
                if case .given(let obstacle)? = given { return obstacle }
                return .unreachable("the provider '\(provider.name)' does not answer")
            }
        }
    }

    private enum Answer: Sendable {
        case none
        case given(SpawnObstacle?)
    }

    /// A spawn is answered within 15 seconds, whatever hangs.
    private static let obstacleLimit: Duration = .seconds(13)
}

extension ServedProvider {
    fileprivate func obstacle(to request: SpawnRequest) -> SpawnObstacle? {
        do {
            return try opened().obstacle(to: request)
        } catch {
            return .unreachable("the provider '\(name)' cannot serve: \(error)")
        }
    }
}

// MARK: - Who looks after a runner

extension Providers {
    package typealias Place = LianOrchestrator.Place

    var places: [Place] {
        [.machine] + all.filter(isElsewhere).map { .elsewhere($0.name) }
    }

    func place(of record: RunnerRecord) -> Place {
        Self.isOfThisMachine(record.providerKind) ? .machine : .elsewhere(record.provider)
    }

    /// What looks after all runners of that place.
    func remover(at place: Place) throws(ProviderError) -> any RunnerRemover {
        guard case .elsewhere(let name) = place else { return machine }
        guard let provider = all.first(where: { $0.name == name && isElsewhere($0) }) else {
            throw ProviderError(
                "the configuration has no provider '\(name)' any more: name it again until its runners are gone")
        }
        return try provider.opened()
    }

    /// The provider that made the runner; nil where it is not served, or not there yet.
    func maker(of record: RunnerRecord) -> (any RunnerProvider)? {
        all.first { $0.name == record.provider && isElsewhere($0) == (place(of: record) != .machine) }?.current
    }

    /// What looks after the runner.
    func remover(of record: RunnerRecord) throws(ProviderError) -> any RunnerRemover {
        if let maker = maker(of: record) { return maker }
        return try remover(at: place(of: record))
    }

    /// Of one that is not there yet, somebody tries again meanwhile.
    func isThere(_ place: Place) -> Bool {
        all.contains { self.place(of: $0) == place && $0.ifOpen != nil }
    }

    func place(of provider: ServedProvider) -> Place { isElsewhere(provider) ? .elsewhere(provider.name) : .machine }

    private func isElsewhere(_ provider: ServedProvider) -> Bool { !Self.isOfThisMachine(provider.kind) }
}
