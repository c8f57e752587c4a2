import LianModel

extension MetricsReport {
    /// What the attempt came to, beside how it ended.
    mutating func take(_ outcome: AttemptFacts, artifacts requested: [ArtifactRequest]) {
        let steps = outcome.results.values.compactMap(\.steps)
        if !steps.isEmpty {
            stepsTotal = steps.reduce(0) { $0.upToLargest(adding: $1.total) }
            stepsCached = steps.reduce(0) { $0.upToLargest(adding: $1.cached) }
        }
        artifacts = requested.map(\.name)
        errorCode = outcome.error?.code.rawValue
        let timings = outcome.timings.json.objectValue?.compactMapValues(\.intValue) ?? [:]
        timingsMS = timings.isEmpty ? nil : timings
    }
}
