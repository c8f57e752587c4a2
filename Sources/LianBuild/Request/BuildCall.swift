/// What is asked about a Dockerfile in the place of building it.
package enum BuildCall: String, CaseIterable, Sendable {
    /// Which of BuildKit's rules it breaks.
    case check
    /// What can be set, of one target.
    case outline
    /// What can be built.
    case targets

    /// What the frontend is asked for, in order; the first of it is the answer. A check fails for no reason: of a
    /// Dockerfile that cannot be read, or that calls its findings errors, only the outline does.
    package var requests: [String] {
        switch self {
        case .check: ["frontend.lint", "frontend.outline"]
        case .outline: ["frontend.outline"]
        case .targets: ["frontend.targets"]
        }
    }
}
