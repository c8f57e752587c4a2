import LianModel

/// A dry run's plan for a person: what would be built, how large, with which caches, and what would travel.
package func planSummary(_ envelope: ResultEnvelope) -> [String] {
    var lines: [String] = []
    if let sizing = envelope.sizing { lines.append("runner: \(sizing.description), \(sizing.reason)") }
    for artifact in envelope.artifacts ?? [] {
        let tags = artifact.tags.isEmpty ? "" : ", also \(artifact.tags.joined(separator: ", "))"
        let platforms = artifact.platforms.isEmpty ? "" : ", for \(artifact.platforms.joined(separator: ", "))"
        if let image = artifact.image { lines.append("image: \(image)\(tags)\(platforms)") }
    }
    let isOne = envelope.artifacts?.count == 1
    for output in envelope.plan?.outputs ?? [] {
        lines.append("output: \(output.type)\(isOne ? "" : " of \(output.artifact)") to \(output.dest)")
    }
    if let cache = envelope.cache {
        lines.append("cache from: \(list(cache.from))")
        lines.append("cache to: \(list(cache.to))")
    }
    if let volume = envelope.plan?.volume {
        lines.append("volume from: \(list(volume.from.map(\.description)))")
        lines.append("volume to: \(list([volume.to?.description].compactMap { $0 }))")
    }
    if let context = envelope.context {
        let kept = context.excludedFiles > 0 ? "; \(Figures.count(context.excludedFiles, "file")) kept back" : ""
        lines.append(
            "context: \(Figures.count(context.files, "file")), \(Figures.bytes(context.bytes)) would travel\(kept)")
    }
    if let largest = envelope.plan?.largest, !largest.isEmpty {
        lines.append("largest: " + largest.map { "\($0.path) (\(Figures.bytes($0.bytes)))" }.joined(separator: ", "))
    }
    return lines + ["a dry run: nothing was spawned"]
}

private func list(_ references: [String]) -> String {
    references.isEmpty ? "nothing" : references.joined(separator: ", ")
}
