import LianMarkup
import LianModel

/// One curve of what a build used over time, compared with what its runner has.
struct UsagePlot {
    let name: String
    /// The curve's colour in the style sheet.
    let kind: String
    let points: [(at: Int, value: Double)]
    let limit: Double
    let axis: TimeAxis
    let outOfMemoryAt: Int?
    /// Whether this plot labels the line for the lack of memory. Of several plots only the last one does.
    let namesTheFall: Bool
    /// Writes a value with its unit.
    let write: (Double) -> String

    /// More points would be closer together than the dots of a screen.
    private static let mostPoints = 600
    private static let height = 100.0
    private static let width = 1000.0

    private var peak: (at: Int, value: Double)? { points.max { $0.value < $1.value } }

    var markup: Markup {
        guard let peak, points.count > 1 else { return .nothing }
        // Leaves room above the line of the limit, or above a peak beyond it.
        let top = max(limit, peak.value) * 1.12
        let story: Markup =
            "\(name): at most \(write(peak.value)) of \(write(limit)), \(Figures.duration(peak.at - axis.start)) after the start"
        return """
            <figure class="use">
            <figcaption><b>\(name)</b> <span>peak \(write(peak.value)) of \(write(limit)), \
            \(Figures.share(peak.value, of: limit))</span></figcaption>
            <div class="plot" style="\(axis.style)">
            <svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="\(story)">\
            \(drawing(top: top))</svg>
            <span class="mark" style="bottom:\(Figures.percent(limit, of: top))%">\(write(limit))</span>
            \(endMark)</div>
            </figure>

            """
    }

    private func drawing(top: Double) -> Markup {
        let line = Markup(
            thinned(points, to: Self.mostPoints).enumerated().map { index, point in
                "\(index == 0 ? "M" : "L")\(x(point.at)) \(y(point.value, top))"
            })
        let first = x(points.first?.at ?? axis.start)
        let last = x(points.last?.at ?? axis.end)
        let fall: Markup =
            outOfMemoryAt.map { "<path class=\"fall\" d=\"M\(x($0)) 0V100\"/>" } ?? .nothing
        return """
            <path class="limit" d="M0 \(y(limit, top))H1000"/>\
            <path class="area \(kind)" d="\(line)L\(last) 100L\(first) 100Z"/>\
            <path class="line \(kind)" d="\(line)"/>\(fall)
            """
    }

    private var endMark: Markup {
        guard namesTheFall, let moment = outOfMemoryAt else { return .nothing }
        let side: Markup = moment - axis.start > axis.length / 2 ? " before" : .nothing
        return """
            <span class="fallen\(side)" style="left:\(axis.place(moment))%">out of memory, \
            \(Figures.duration(moment - axis.start))</span>

            """
    }

    private func x(_ moment: Int) -> String {
        Figures.hundredths(
            Double(min(max(moment, axis.start), axis.end) - axis.start) / Double(axis.length) * Self.width)
    }

    private func y(_ value: Double, _ top: Double) -> String {
        guard value.isFinite, top > 0 else { return "100" }
        return Figures.hundredths((1 - min(max(value / top, 0), 1)) * Self.height)
    }
}
