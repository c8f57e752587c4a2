/// What the kernel of the runner had counted at one moment.
package struct KernelOOMCounts: Equatable, Sendable {
    /// Whether the counters are those of the runner's cgroup or of the whole machine.
    package enum Scope: String, Sendable {
        /// The runner's cgroup, version 2: it counts its own OOM kills and those of all groups below it.
        case cgroup2 = "v2"
        /// The runner's cgroup, version 1, which counts no kills: the kills are the machine's, the limit hits are the
        /// cgroup's.
        case cgroup1 = "v1"
        /// The whole machine, where the runner has it to itself.
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
        // The kills are those of the machine, which other runners share. They count as ours only if our own limit was
        // hit too.
        guard let firstHits = before.limitHits, let lastHits = after.limitHits, lastHits >= firstHits else {
            return nil
        }
        return lastHits > firstHits ? last - first : 0
    }
}
