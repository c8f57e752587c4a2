import LianModel

/// What a build found out that its envelope has no place for.
package struct BuildFindings: Sendable {
    /// The largest files of the context, the largest first.
    package var largest: [Plan.LargePath] = []
    /// nil where it was not asked for: without a report, and without a runner that anything could be measured on.
    package var nextSize: NextSize?

    package init() {}
}
