/// A size as someone asked for it: any part may be missing.
package struct SizeWish: Equatable, Sendable {
    package var cpu: Int?
    package var memoryGB: Double?
    package var timeBudgetMinutes: Int?

    package init(cpu: Int? = nil, memoryGB: Double? = nil, timeBudgetMinutes: Int? = nil) {
        self.cpu = cpu
        self.memoryGB = memoryGB
        self.timeBudgetMinutes = timeBudgetMinutes
    }

    /// This wish; any part that it leaves out is taken from the other one.
    package func or(_ other: SizeWish) -> SizeWish {
        SizeWish(
            cpu: cpu ?? other.cpu, memoryGB: memoryGB ?? other.memoryGB,
            timeBudgetMinutes: timeBudgetMinutes ?? other.timeBudgetMinutes)
    }
}

/// The size a build runs with, and who decided it.
package struct Sizing: Equatable, Sendable {
    package enum Source: String, Sendable, CaseIterable {
        case explicit, p95, language
    }

    package var source: Source
    /// Whether what is explicit of it was said by the repository's `.build-spec.ncl` alone, and by no caller.
    package var isOfBuildSpec = false
    package var size: RunnerSize
    package var timeBudgetMinutes: Int
    /// The tier that was chosen; nil where the size is beyond the ladder.
    package var tier: String?

    package init(source: Source, size: RunnerSize, timeBudgetMinutes: Int, tier: String?) {
        self.source = source
        self.size = size
        self.timeBudgetMinutes = timeBudgetMinutes
        self.tier = tier
    }

    /// Why the build has this size, as words to put behind the size for a person.
    package var reason: String {
        switch source {
        case .explicit: isOfBuildSpec ? "as .build-spec.ncl says" : "as asked for"
        case .p95: "from this workspace's history"
        case .language: "the default for its language"
        }
    }

    /// Each field is what was asked for, else what the repository's `.build-spec.ncl` says, else P95 of history, else the
    /// language's default.
    package static func resolve(
        asked: SizeWish, buildSpec: SizeWish = SizeWish(), history: UsageHistory?, language: String?,
        ladder: TierLadder
    ) -> Sizing {
        let explicit = asked.or(buildSpec)
        let fallback = LanguageDefault.of(language)
        let measured = history.flatMap { sizeFromHistory($0, ladder: ladder) }
        let base = measured ?? fallback.size
        let size = RunnerSize(
            cpu: explicit.cpu ?? base.cpu,
            memoryGB: explicit.memoryGB ?? base.memoryGB)
        let source: Source =
            explicit.cpu != nil || explicit.memoryGB != nil ? .explicit : measured != nil ? .p95 : .language
        let tier = ladder.smallest(holding: size)
        var sizing = Sizing(
            source: source, size: tier?.size ?? size,
            timeBudgetMinutes: explicit.timeBudgetMinutes ?? fallback.timeBudgetMinutes, tier: tier?.name)
        sizing.isOfBuildSpec = source == .explicit && asked.cpu == nil && asked.memoryGB == nil
        return sizing
    }

    /// The same build one tier up; nil at the top, and for a size beyond the ladder.
    package func nextTier(in ladder: TierLadder) -> Sizing? {
        tier.flatMap(ladder.next).map(on)
    }

    /// The same build on the next tier with a larger disk; nil where no tier says that it has one.
    package func nextTierWithMoreDisk(in ladder: TierLadder) -> Sizing? {
        tier.flatMap(ladder.nextWithMoreDisk).map(on)
    }

    private func on(_ tier: TierSpec) -> Sizing {
        var larger = self
        (larger.size, larger.tier) = (tier.size, tier.name)
        return larger
    }

    /// A fifth of headroom over what was used, within what a build needs at least and the ladder offers at most: the
    /// peaks of a parallel build fill whatever they get, so history alone would climb without end.
    private static func sizeFromHistory(_ history: UsageHistory, ladder: TierLadder) -> RunnerSize? {
        guard history.samples > 0, let cpu = history.cpuP95, let memoryMB = history.memoryMBP95 else { return nil }
        let headroom = 1.2
        let top = ladder.tiers.last?.size ?? RunnerSize(cpu: 256, memoryGB: 2048)
        return RunnerSize(
            cpu: Int(min(max(cpu * headroom, 2), Double(top.cpu)).rounded(.up)),
            memoryGB: min(max(memoryMB / 1024 * headroom, 4), top.memoryGB))
    }

    /// The size for a person: "cx32 (4 cores, 8 GB, 60 minutes)".
    package var description: String {
        let memory = JSONValue.number(size.memoryGB).encoded()
        return "\(tier ?? "no tier") (\(size.cpu) cores, \(memory) GB, \(timeBudgetMinutes) minutes)"
    }

    package var wireSize: WireSize {
        WireSize(tier: tier, cpu: size.cpu, memoryGB: size.memoryGB)
    }
}

extension Sizing: JSONEncodable {
    package var json: JSONValue {
        [
            "source": .string(source.rawValue), "cpu": .integer(size.cpu), "memory_gb": .number(size.memoryGB),
            "time_budget_minutes": .integer(timeBudgetMinutes), "tier": tier.json,
        ]
    }
}

/// How often a build that ran out of memory or disk is retried on a larger tier.
package let maximumLargerRetries = 1
