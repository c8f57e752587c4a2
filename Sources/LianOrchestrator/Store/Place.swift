import LianModel

/// Where runners are, and volumes: each place may fail or hang by itself.
package enum Place: Hashable, Sendable {
    /// The orchestrator's own machine.
    case machine
    /// What a provider of that name makes machines of.
    case elsewhere(String)
}

extension Place {
    /// As the store keeps it; nil for this machine, which was the only place at first.
    init(stored name: String?) { self = name.map { .elsewhere($0) } ?? .machine }

    /// The provider's name; nil for this machine.
    var provider: String? { if case .elsewhere(let name) = self { name } else { nil } }

    /// For the log.
    var fields: [String: JSONValue] { provider.map { ["provider": .string($0)] } ?? [:] }
}
