import Synchronization

/// How long things took, in seconds, by the values of the labels.
package final class Histogram: Meter {
    private struct Series {
        /// How many were in each bucket alone; the last has all beyond the largest bound.
        var counts: [Int]
        var sum = 0.0
    }

    private let name: String
    private let help: String
    private let labels: [Label]
    private let bounds: [Double]
    private let series = Mutex<[[String]: Series]>([:])

    /// The bounds are sorted.
    package init(_ name: String, _ help: String, _ labels: [Label], bounds: [Double]) {
        self.name = name
        self.help = help
        self.labels = labels
        self.bounds = bounds
    }

    /// The values in the order of the labels.
    package func observe(_ seconds: Double, _ values: [String]) {
        let key = zip(labels, values).map { $0.value($1) }
        let bucket = bounds.firstIndex { seconds <= $0 } ?? bounds.count
        series.withLock { series in
            series[key, default: Series(counts: Array(repeating: 0, count: bounds.count + 1))].counts[bucket] += 1
            series[key]?.sum += seconds
        }
    }

    package var family: MetricFamily {
        let series = series.withLock { $0 }
        let samples = series.sorted { $0.key.lexicographicallyPrecedes($1.key) }.flatMap { key, series in
            let labels = Array(zip(labels.map(\.name), key))
            var reached = 0
            let buckets = zip(bounds + [.infinity], series.counts).map { bound, count in
                reached += count
                return MetricFamily.Sample(
                    suffix: "_bucket", labels: labels + [("le", MetricFamily.text(bound))], value: Double(reached))
            }
            return buckets + [
                MetricFamily.Sample(suffix: "_sum", labels: labels, value: series.sum),
                MetricFamily.Sample(suffix: "_count", labels: labels, value: Double(reached)),
            ]
        }
        return MetricFamily(name: name, help: help, kind: .histogram, samples: samples)
    }
}
