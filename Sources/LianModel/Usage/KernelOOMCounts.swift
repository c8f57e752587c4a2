/// What the kernel had counted at one moment, on the runner.
package struct KernelOOMCounts: Equatable, Sendable {
    /// Whose counters these are.
    package enum Scope: String, Sendable {
        /// The runner's cgroup, version 2: its own count of OOM kills, which includes all below it.
        case cgroup2 = "v2"
        /// The runner's cgroup, version 1, which counts no kills: the machine's, and how often the limit was hit.
        case cgroup1 = "v1"
        /// A machine that is the runner's alone.
        case machine
    }

    package var scope: Scope
    package var oomKills: Int?
    package var limitHits: Int?

    package init(scope: Scope, oomKills: Int?, limitHits: Int? = nil) {
        self.scope = scope
        self.oomKills = oomKills
        self.limitHits = limitHits
    }

    /// The OOM kills of this runner between two moments; nil where they cannot be told.
    package static func kills(from before: KernelOOMCounts, to after: KernelOOMCounts) -> Int? {
        guard before.scope == after.scope, let first = before.oomKills, let last = after.oomKills, last >= first else {
            return nil
        }
        guard before.scope == .cgroup1 else { return last - first }
        // The count is the machine's, which other runners share: ours it is only where our own limit was hit too.
        guard let firstHits = before.limitHits, let lastHits = after.limitHits, lastHits >= firstHits else {
            return nil
        }
        return lastHits > firstHits ? last - first : 0
    }
}
