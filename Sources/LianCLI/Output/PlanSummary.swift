import LianModel

/// A dry run's plan for a person: what would be built, how large, with which caches, and what would travel.
package func planSummary(_ envelope: ResultEnvelope) -> [String] {
    var lines: [String] = []
    if let sizing = envelope.sizing { lines.append("runner: \(sizing.description), \(reason(sizing.source))") }
    for artifact in envelope.artifacts ?? [] {
        let tags = artifact.tags.isEmpty ? "" : ", also \(artifact.tags.joined(separator: ", "))"
        let platforms = artifact.platforms.isEmpty ? "" : ", for \(artifact.platforms.joined(separator: ", "))"
        lines.append("image: \(artifact.image)\(tags)\(platforms)")
    }
    if let cache = envelope.cache {
        lines.append("cache from: \(list(cache.from))")
        lines.append("cache to: \(list(cache.to))")
    }
    if let context = envelope.context {
        let kept = context.excludedFiles > 0 ? "; \(count(context.excludedFiles, "file")) kept back" : ""
        lines.append("context: \(count(context.files, "file")), \(size(context.bytes)) would travel\(kept)")
    }
    if let largest = envelope.plan?.largest, !largest.isEmpty {
        lines.append("largest: " + largest.map { "\($0.path) (\(size($0.bytes)))" }.joined(separator: ", "))
    }
    return lines + ["a dry run: nothing was spawned"]
}

private func reason(_ source: Sizing.Source) -> String {
    switch source {
    case .explicit: "as asked for"
    case .p95: "from this workspace's history"
    case .language: "the default for its language"
    }
}

private func list(_ references: [String]) -> String {
    references.isEmpty ? "nothing" : references.joined(separator: ", ")
}

private func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}

/// 999 bytes, 1.0 kB, 34.5 MB.
private func size(_ bytes: Int) -> String {
    guard bytes >= 1000 else { return count(bytes, "byte") }
    var (unit, tenths) = (0, bytes / 100)
    while tenths >= 10_000, unit < units.count - 1 { (unit, tenths) = (unit + 1, tenths / 1000) }
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
}

private let units = ["kB", "MB", "GB", "TB"]
