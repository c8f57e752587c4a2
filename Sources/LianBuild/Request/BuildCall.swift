/// What is asked about a Dockerfile in the place of building it.
package enum BuildCall: String, CaseIterable, Sendable {
    /// Which of BuildKit's rules it breaks.
    case check
    /// What can be set, of one target.
    case outline
    /// What can be built.
    case targets

    /// What the frontend is asked for, in order. The rules say nothing of a Dockerfile that cannot be read, where the
    /// outline fails.
    var requests: [String] {
        switch self {
        case .check: ["frontend.outline", "frontend.lint"]
        case .outline: ["frontend.outline"]
        case .targets: ["frontend.targets"]
        }
    }
}
