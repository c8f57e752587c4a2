import Synchronization

/// A counter or a gauge: one number for each combination of its labels' values.
package final class Tally: Meter {
    package enum Kind: Sendable { case counter, gauge }

    private let kind: Kind
    private let name: String
    private let help: String
    private let labels: [Label]
    private let series: Mutex<[[String]: Double]>

    package init(_ kind: Kind, _ name: String, _ help: String, _ labels: [Label] = []) {
        self.kind = kind
        self.name = name
        self.help = help
        self.labels = labels
        // One without labels is there from the beginning.
        series = Mutex(labels.isEmpty ? [[]: 0] : [:])
    }

    /// The values in the order of the labels.
    package func add(_ values: [String], amount: Double = 1) {
        let key = zip(labels, values).map { $0.value($1) }
        series.withLock { $0[key, default: 0] += amount }
    }

    package var family: MetricFamily {
        let series = series.withLock { $0 }
        return MetricFamily(
            name: name, help: help, kind: kind == .counter ? .counter : .gauge,
            samples: series.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { key, value in
                MetricFamily.Sample(labels: Array(zip(labels.map(\.name), key)), value: value)
            })
    }
}
