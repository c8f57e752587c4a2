import LianModel

/// Which platforms are built on which runner: on one of their own where the orchestrator serves several of them
/// natively, and by emulation where it does not.
package struct PlatformSplit: Sendable {
    /// What one runner builds.
    package struct Part: Sendable {
        /// What the runner is asked for; nil for that of what is built.
        package let platform: String?
        package let artifacts: [ArtifactRequest]
    }

    package private(set) var parts: [Part]
    /// What runners build that are made for other platforms.
    package private(set) var warnings: [BuildWarning] = []

    /// Whether it matters what the orchestrator serves.
    package static func matters(to request: BuildRequest) -> Bool {
        guard request.call == nil else { return false }
        let never = request.artifacts.contains { $0.emulation == .never && !$0.platforms.isEmpty }
        return never || platforms(of: request.artifacts).count > 1
    }

    /// More than these are no machine's.
    private static let mostServed = 100

    /// `served` is nil where nobody said it. A word in it that is no platform counts as none.
    package init(_ request: BuildRequest, served: [String]?) throws(LianError) {
        let artifacts = request.artifacts
        parts = [Part(platform: nil, artifacts: artifacts)]
        guard Self.matters(to: request) else { return }
        let wanted = Self.platforms(of: artifacts)
        let served = (served ?? []).filter(TextRule.platform.holds).prefix(Self.mostServed)
        guard let first = served.first else {
            try refuse(
                artifacts.filter { $0.emulation == .never }, wanted, "the orchestrator does not say what it serves")
            return
        }
        // As the orchestrator writes them, in the order in which they are wanted.
        let native = wanted.compactMap { wanted in served.first { Self.isSame($0, wanted) } }.eachOnce
        let bond =
            if artifacts.contains(where: { !$0.dependsOn.isEmpty }) {
                "artifacts that depend on each other are built on one runner"
            } else if artifacts.contains(where: { !$0.outputs.brought.isEmpty }) {
                "what is brought to the caller is made by one runner"
            } else {
                nil as String?
            }
        let serves = "the orchestrator serves \(served.joined(separator: ", "))"
        guard native.count > 1, bond == nil else {
            let own = native.first ?? (wanted.count > 1 ? first : wanted[0])
            parts = [Part(platform: own, artifacts: artifacts)]
            try tellEmulated(
                wanted.filter { native.isEmpty || !Self.isSame($0, own) }, artifacts, own,
                native.count > 1 ? bond ?? serves : serves)
            return
        }
        let emulated = wanted.filter { wanted in !native.contains { Self.isSame($0, wanted) } }
        parts = native.enumerated().compactMap { index, platform in
            let own = wanted.filter { Self.isSame($0, platform) } + (index == 0 ? emulated : [])
            let built = artifacts.compactMap { $0.part(for: own, isFirst: index == 0) }
            return built.isEmpty ? nil : Part(platform: platform, artifacts: built)
        }
        try tellEmulated(emulated, artifacts, native[0], serves)
    }

    private mutating func tellEmulated(
        _ emulated: [String], _ artifacts: [ArtifactRequest], _ own: String, _ reason: String
    ) throws(LianError) {
        let affected = artifacts.filter { artifact in artifact.platforms.contains { emulated.contains($0) } }
        guard !affected.isEmpty else { return }
        try refuse(affected.filter { $0.emulation == .never }, emulated, reason)
        // The runner of a single platform is the orchestrator's to refuse.
        guard Self.platforms(of: artifacts).count > 1 else { return }
        let names = emulated.joined(separator: ", ")
        warnings.append(
            BuildWarning(.emulated, "\(names) is built on a runner for \(own), by emulation: \(reason)"))
    }

    private func refuse(
        _ artifacts: [ArtifactRequest], _ platforms: [String], _ reason: String
    ) throws(LianError) {
        guard let artifact = artifacts.first else { return }
        let names = platforms.filter(artifact.platforms.contains).joined(separator: ", ")
        throw LianError(
            .engineUnsupported, .resolve, "\(artifact.name): no runner builds natively for \(names): \(reason)",
            hint: "Take --emulate never (emulate in directives) away, or leave the platform out.")
    }

    private static func platforms(of artifacts: [ArtifactRequest]) -> [String] {
        artifacts.flatMap(\.platforms).eachOnce
    }

    /// Some variants are what an architecture is without being told.
    private static func isSame(_ one: String, _ other: String) -> Bool {
        func plain(_ platform: String) -> String {
            ["linux/arm64/v8": "linux/arm64", "linux/arm/v7": "linux/arm"][platform] ?? platform
        }
        return plain(one) == plain(other)
    }
}

extension ArtifactRequest {
    /// What a runner for these platforms builds of it; nil for nothing. What says no platform is built on the first.
    fileprivate func part(for platforms: [String], isFirst: Bool) -> ArtifactRequest? {
        let own = self.platforms.filter(platforms.contains)
        guard !own.isEmpty || self.platforms.isEmpty && isFirst else { return nil }
        var part = self
        if own != self.platforms {
            part.platforms = own
            part.isPart = outputs.pushes
            part.annotations = annotations(ofManifestsFor: own)
        }
        if !isFirst, let platform = platforms.first {
            // Builds that write the same cache at the same time write over each other's.
            let word = platform.replacing("/", with: "-")
            part.cacheTo = cacheTo.map { $0.apart(word) }
            part.cacheFrom = cacheFrom.flatMap { store in
                let apart = store.apart(word)
                return apart == store ? [store] : [apart, store]
            }
        }
        return part
    }

    /// Those that the engine puts into a part. All that is about the index, and about what it says of its manifests, is
    /// for whoever makes the index.
    private func annotations(ofManifestsFor platforms: [String]) -> [String: String] {
        var kept: [String: String] = [:]
        for (text, value) in annotations {
            guard let name = AnnotationName(text) else { continue }
            let isForAll = name.bearers.isEmpty || name.bearers.contains("manifest")
            let named = platforms.map { "manifest[\($0)]" }.filter(name.bearers.contains)
            if isForAll || named.count == platforms.count {
                kept[name.key] = value
            } else if !named.isEmpty {
                kept["\(named.joined(separator: ",")):\(name.key)"] = value
            }
        }
        return kept
    }
}
