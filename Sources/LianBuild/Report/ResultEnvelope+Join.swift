import LianModel

/// What runners side by side came to, told as one build.
extension ResultEnvelope {
    /// May be called again with what is known later. Status and error are the caller's to decide.
    mutating func join(_ lanes: [(platform: String?, envelope: ResultEnvelope)]) {
        let envelopes = lanes.map(\.envelope)
        sizing = envelopes.compactMap(\.sizing).max { $0.size.memoryGB < $1.size.memoryGB }
        attempts = lanes.flatMap { lane in
            lane.envelope.attempts.map { attempt in
                var attempt = attempt
                attempt.platform = lane.platform
                return attempt
            }
        }
        runner = nil
        let known = envelopes.compactMap(\.runner)
        runners = known.isEmpty ? nil : known
        volume = envelopes.first?.volume
        let caches = envelopes.compactMap(\.cache)
        cache = CacheResult(from: caches.flatMap(\.from).eachOnce, to: caches.flatMap(\.to).eachOnce)
        let sent = envelopes.compactMap { $0.context?.sentBytes }
        context?.sentBytes = sent.isEmpty ? nil : sent.reduce(0) { $0.upToLargest(adding: $1) }
        let used = envelopes.compactMap(\.usage)
        if !used.isEmpty {
            usage = UsageResult(
                cpuPeak: used.compactMap(\.cpuPeak).max(), memoryMBPeak: used.compactMap(\.memoryMBPeak).max(),
                samples: used.reduce(0) { $0 + $1.samples })
        }
        for stage in [\Timings.spawn, \.ready, \.sync, \.build, \.teardown] {
            timings?[keyPath: stage] = envelopes.compactMap { $0.timings?[keyPath: stage] }.max()
        }
        for index in (artifacts ?? []).indices {
            let name = artifacts?[index].name
            let parts = envelopes.compactMap { $0.artifacts?.first { $0.name == name } }
            artifacts?[index].join(parts)
        }
    }

    /// How the index of an artifact ended; nil where it was not pushed.
    mutating func takeIndex(_ digest: String?, of name: String) {
        guard let index = artifacts?.firstIndex(where: { $0.name == name }) else { return }
        artifacts?[index].digest = digest
        artifacts?[index].pushed = digest != nil
        artifacts?[index].status = digest == nil ? .failed : .succeeded
    }
}

extension ArtifactResult {
    fileprivate mutating func join(_ parts: [ArtifactResult]) {
        let counted = parts.compactMap(\.steps)
        if !counted.isEmpty {
            steps = StepCount(
                total: counted.reduce(0) { $0 + $1.total }, cached: counted.reduce(0) { $0 + $1.cached })
        }
        durationMS = parts.compactMap(\.durationMS).max()
        // An index that was made, or failed to be, says how it ended.
        guard status == nil else { return }
        if parts.count == 1 {
            digest = parts[0].digest
            pushed = parts[0].pushed
            status = parts[0].status
            return
        }
        let ended = parts.map(\.status)
        if let worst = [Status.failed, nil, .skipped, .cancelled].first(where: ended.contains) {
            status = worst
        } else if !ended.isEmpty, ended.allSatisfy({ $0 == .succeeded }), parts.allSatisfy({ $0.pushed == false }) {
            status = .succeeded
            pushed = false
        }
    }
}
