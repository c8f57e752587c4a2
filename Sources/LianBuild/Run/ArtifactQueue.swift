import LianModel

/// Which artifacts of an attempt can be built now: each after those that it depends on. What depends on a failed one is
/// skipped, and after out of memory or disk nothing new is begun on this runner.
struct ArtifactQueue {
    /// In build order.
    private var waiting: [ArtifactRequest]
    private let names: Set<String>
    private(set) var results: [String: ArtifactOutcome] = [:]

    init(_ artifacts: [ArtifactRequest]) {
        waiting = artifacts
        names = Set(artifacts.map(\.name))
    }

    /// The next one to begin; nil where none may begin before another ends.
    mutating func next() -> ArtifactRequest? {
        guard !results.values.contains(where: { $0.ranOut }), let index = waiting.firstIndex(where: isFree) else {
            return nil
        }
        return waiting.remove(at: index)
    }

    /// Takes how one artifact ended, and returns the names of those that are skipped because of it.
    mutating func settle(_ name: String, _ outcome: ArtifactOutcome) -> [String] {
        results[name] = outcome
        var skipped: [String] = []
        // In build order: an artifact that is skipped here makes those that depend on it skipped as well.
        for artifact in waiting where artifact.dependsOn.contains(where: isLost) {
            results[artifact.name] = ArtifactOutcome(status: .skipped)
            skipped.append(artifact.name)
        }
        waiting.removeAll { skipped.contains($0.name) }
        return skipped
    }

    /// What waits, in build order, for one that ran out of memory or disk: without another attempt it is skipped.
    var blocked: [String] {
        var lost = Set(results.filter { $0.value.ranOut }.keys)
        for artifact in waiting where artifact.dependsOn.contains(where: lost.contains) { lost.insert(artifact.name) }
        return waiting.map(\.name).filter(lost.contains)
    }

    /// Dependencies that were built in an earlier attempt are not among `names`.
    private func isFree(_ artifact: ArtifactRequest) -> Bool {
        artifact.dependsOn.allSatisfy { !names.contains($0) || results[$0]?.status == .succeeded }
    }

    /// What ran out of memory or disk is not lost: the next attempt may build it.
    private func isLost(_ name: String) -> Bool {
        results[name].map { $0.status != .succeeded && !$0.ranOut } ?? false
    }
}
