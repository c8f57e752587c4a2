import LianBuildKit
import LianModel

/// A curve with no more points than a page can show. The highest and the lowest of the points left out are kept in
/// their places, because peaks are what a reader looks for.
func thinned(_ points: [(at: Int, value: Double)], to most: Int) -> [(at: Int, value: Double)] {
    guard points.count > most, most >= 2 else { return points }
    let buckets = most / 2
    return (0..<buckets).flatMap { bucket in
        let slice = points[(bucket * points.count / buckets)..<((bucket + 1) * points.count / buckets)]
        guard let low = slice.indices.min(by: { points[$0].value < points[$1].value }),
            let high = slice.indices.max(by: { points[$0].value < points[$1].value })
        else { return [] as [(at: Int, value: Double)] }
        return low == high ? [points[low]] : [min(low, high), max(low, high)].map { points[$0] }
    }
}

/// The steps that a page has room for: those that failed and those that took longest, in their order. The other steps
/// are only counted.
struct ShownSteps {
    let shown: [StepRecord]
    let left: [StepRecord]

    init(_ steps: [StepRecord], most: Int) {
        guard steps.count > most else {
            (shown, left) = (steps, [])
            return
        }
        let ranked = steps.indices.sorted { Self.rank(steps[$0], $0) > Self.rank(steps[$1], $1) }
        let kept = Set(ranked.prefix(most))
        shown = steps.indices.filter(kept.contains).map { steps[$0] }
        left = steps.indices.filter { !kept.contains($0) }.map { steps[$0] }
    }

    private static func rank(_ step: StepRecord, _ index: Int) -> (Int, Int, Int) {
        (step.state == .failed ? 1 : 0, step.duration, -index)
    }
}
