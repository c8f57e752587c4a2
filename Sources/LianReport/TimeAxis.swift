import LianMarkup
import LianModel

/// A stretch of time that several drawings have in common.
struct TimeAxis: Sendable {
    let start: Int
    let end: Int
    /// Moments at whole units since the start, the start itself first.
    let ticks: [Int]
    let step: Int

    init(from start: Int, to end: Int) {
        self.start = start
        self.end = max(end, start + 1)
        let length = self.end - start
        step = Self.steps.first { length / $0 < Self.mostTicks } ?? length
        ticks = Array(stride(from: 0, through: length, by: step))
    }

    private static let mostTicks = 7
    private static let steps =
        [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000]
        + [1, 2, 5, 10, 15, 30, 60, 120, 240].map { $0 * 60_000 }

    var length: Int { end - start }

    /// The moment's position along the axis in percent.
    func place(_ moment: Int) -> String {
        Figures.percent(Double(moment - start), of: Double(length))
    }

    func width(_ from: Int, _ to: Int) -> String {
        Figures.percent(Double(min(max(to, start), end) - min(max(from, start), end)), of: Double(length))
    }
}
