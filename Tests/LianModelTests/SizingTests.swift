import LianModel
import Testing

@Suite struct SizingTests {
    private func history(samples: Int = 10, cpu: Double?, memoryMB: Double?) -> UsageHistory {
        UsageHistory(workspace: "acme", samples: samples, cpuP95: cpu, memoryMBP95: memoryMB)
    }

    private func resolve(
        _ explicit: SizeWish = SizeWish(), history: UsageHistory? = nil, language: String? = nil
    ) -> Sizing {
        Sizing.resolve(asked: explicit, history: history, language: language, ladder: .standard)
    }

    @Test(arguments: [
        ("rust", 4, 8.0, 60, "cx32"), ("go", 2, 4.0, 30, "cx22"), ("java", 4, 8.0, 45, "cx32"),
        ("kotlin", 4, 8.0, 45, "cx32"), ("scala", 4, 8.0, 45, "cx32"), ("cobol", 2, 4.0, 30, "cx22"),
        ("Rust", 4, 8.0, 60, "cx32"),
    ])
    func languageDefaults(language: String, cpu: Int, memoryGB: Double, minutes: Int, tier: String) {
        let sizing = resolve(language: language)
        #expect(
            sizing
                == Sizing(
                    source: .language, size: RunnerSize(cpu: cpu, memoryGB: memoryGB), timeBudgetMinutes: minutes,
                    tier: tier))
    }

    @Test func noLanguageIsTheDefault() {
        #expect(resolve().tier == "cx22")
        #expect(resolve().source == .language)
    }

    @Test func historyGetsHeadroomAndBounds() {
        // 3 × 1.2 = 3.6, up to 4 cores; 5000 MB × 1.2 is under 6 GB: cx32 holds both.
        let usual = resolve(history: history(cpu: 3, memoryMB: 5000), language: "rust")
        #expect(usual.source == .p95)
        #expect(usual.tier == "cx32")
        #expect(usual.timeBudgetMinutes == 60)
        #expect(resolve(history: history(cpu: 0.1, memoryMB: 100)).tier == "cx22")
        #expect(resolve(history: history(cpu: 400, memoryMB: 1_000_000)).tier == "cx52")
        // Exactly at a tier's edge: 8 GB / 1.2 still fits, a MB more does not.
        #expect(resolve(history: history(cpu: 1, memoryMB: 8192 / 1.2)).tier == "cx32")
        #expect(resolve(history: history(cpu: 1, memoryMB: 8192 / 1.2 + 1)).tier == "cx42")
    }

    @Test func historyWithoutSamplesOrValuesIsNone() {
        #expect(resolve(history: history(samples: 0, cpu: 9, memoryMB: 9000)).source == .language)
        #expect(resolve(history: history(cpu: nil, memoryMB: 9000)).source == .language)
        #expect(resolve(history: history(cpu: 9, memoryMB: nil)).source == .language)
    }

    /// Whoever said no more than the repository is not told that it was asked for.
    @Test(arguments: [
        (SizeWish(), SizeWish(cpu: 3), "as .build-spec.ncl says"), (SizeWish(cpu: 3), SizeWish(), "as asked for"),
        (SizeWish(memoryGB: 3), SizeWish(cpu: 3), "as asked for"),
        (SizeWish(timeBudgetMinutes: 3), SizeWish(cpu: 3), "as .build-spec.ncl says"),
        (SizeWish(), SizeWish(timeBudgetMinutes: 3), "the default for its language"),
    ])
    func whoSaidTheSize(asked: SizeWish, buildSpec: SizeWish, reason: String) {
        let sizing = Sizing.resolve(
            asked: asked, buildSpec: buildSpec, history: nil, language: nil, ladder: .standard)
        #expect(sizing.reason == reason)
        #expect(sizing.nextTier(in: .standard)?.reason == reason)
    }

    @Test func explicitWinsFieldByField() {
        let cpuOnly = resolve(SizeWish(cpu: 3), history: history(cpu: 1, memoryMB: 9000))
        #expect(cpuOnly.source == .explicit)
        #expect(cpuOnly.tier == "cx42")
        let budgetOnly = resolve(SizeWish(timeBudgetMinutes: 7), language: "go")
        #expect(budgetOnly.source == .language)
        #expect(budgetOnly.timeBudgetMinutes == 7)
    }

    @Test func aTierCarriesItsOwnSize() {
        #expect(resolve(SizeWish(cpu: 3, memoryGB: 1)).size == RunnerSize(cpu: 4, memoryGB: 8))
    }

    @Test func beyondTheLadderThereIsNoTier() {
        let large = resolve(SizeWish(cpu: 17, memoryGB: 0.5))
        #expect(large.tier == nil)
        #expect(large.size == RunnerSize(cpu: 17, memoryGB: 0.5))
        #expect(large.nextTier(in: .standard) == nil)
        #expect(large.wireSize == WireSize(tier: nil, cpu: 17, memoryMB: 512))
    }

    @Test func theNextTierIsOneStepUp() {
        #expect(resolve().nextTier(in: .standard)?.tier == "cx32")
        #expect(resolve().nextTier(in: .standard)?.size == RunnerSize(cpu: 4, memoryGB: 8))
        #expect(resolve(SizeWish(cpu: 16)).nextTier(in: .standard) == nil)
    }

    @Test(
        arguments: [
            ([20, 20, 40], "c"), ([20, 40, 80], "b"), ([20, nil, 40], "c"), ([nil, 40, 80], nil), ([20, 20, 20], nil),
            ([40, 20, nil], nil),
        ] as [([Double?], String?)])
    func theNextTierWithMoreDisk(disks: [Double?], expected: String?) {
        let ladder = TierLadder(
            zip(["a", "b", "c"], disks).enumerated().map { index, tier in
                TierSpec(name: tier.0, cpu: 2 + index, memoryGB: 4, diskGB: tier.1)
            })
        let sizing = Sizing.resolve(asked: SizeWish(), history: nil, language: nil, ladder: ladder)
        #expect(sizing.tier == "a" && sizing.nextTierWithMoreDisk(in: ladder)?.tier == expected)
    }

    @Test func aLadderOfTheCallersReplacesOurs() {
        let ladder = TierLadder([
            TierSpec(name: "s", cpu: 1, memoryGB: 1), TierSpec(name: "m", cpu: 3, memoryGB: 6),
        ])
        let sizing = Sizing.resolve(asked: SizeWish(), history: nil, language: nil, ladder: ladder)
        #expect(sizing.tier == "m")
        #expect(sizing.size == RunnerSize(cpu: 3, memoryGB: 6))
    }
}
