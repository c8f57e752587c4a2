/// The tiers in ascending order. Providers retire type names, so a directives file may bring its own.
package struct TierLadder: Equatable, Sendable {
    package let tiers: [TierSpec]

    package init(_ tiers: [TierSpec]) {
        self.tiers = tiers
    }

    package static let standard = TierLadder([
        TierSpec(name: "cx22", cpu: 2, memoryGB: 4),
        TierSpec(name: "cx32", cpu: 4, memoryGB: 8),
        TierSpec(name: "cx42", cpu: 8, memoryGB: 16),
        TierSpec(name: "cx52", cpu: 16, memoryGB: 32),
    ])

    /// The smallest tier with enough cores and enough memory; nil for a size beyond the ladder.
    package func smallest(holding size: RunnerSize) -> TierSpec? {
        tiers.first { $0.cpu >= size.cpu && $0.memoryGB >= size.memoryGB }
    }

    package func tier(named name: String) -> TierSpec? {
        tiers.first { $0.name == name }
    }

    /// The tier above, for the retry after out of memory.
    package func next(after name: String) -> TierSpec? { above(name).first }

    /// The first tier above that has a larger disk, as far as both say how large theirs is.
    package func nextWithMoreDisk(after name: String) -> TierSpec? {
        guard let disk = tier(named: name)?.diskGB else { return nil }
        return above(name).first { $0.diskGB.map { $0 > disk } ?? false }
    }

    private func above(_ name: String) -> ArraySlice<TierSpec> {
        guard let index = tiers.firstIndex(where: { $0.name == name }) else { return [] }
        return tiers.dropFirst(index + 1)
    }
}

extension TierSpec {
    package var size: RunnerSize { RunnerSize(cpu: cpu, memoryGB: memoryGB) }
}

package struct RunnerSize: Equatable, Sendable {
    package var cpu: Int
    package var memoryGB: Double

    package init(cpu: Int, memoryGB: Double) {
        self.cpu = cpu
        self.memoryGB = memoryGB
    }
}

/// What a language's builds usually need.
package struct LanguageDefault: Equatable, Sendable {
    package let size: RunnerSize
    package let timeBudgetMinutes: Int

    private static let table: [(languages: [String], size: RunnerSize, minutes: Int)] = [
        (["rust"], RunnerSize(cpu: 4, memoryGB: 8), 60),
        (["go"], RunnerSize(cpu: 2, memoryGB: 4), 30),
        (["java", "kotlin", "scala"], RunnerSize(cpu: 4, memoryGB: 8), 45),
    ]
    private static let anyOther = LanguageDefault(size: RunnerSize(cpu: 2, memoryGB: 4), timeBudgetMinutes: 30)

    /// The languages that have a default size of their own.
    package static let languages = table.flatMap(\.languages)

    package static func of(_ language: String?) -> LanguageDefault {
        let name = language?.lowercased()
        guard let row = table.first(where: { row in row.languages.contains { $0 == name } }) else { return anyOther }
        return LanguageDefault(size: row.size, timeBudgetMinutes: row.minutes)
    }
}
