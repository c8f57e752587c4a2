import LianMarkup
import LianModel

/// Rows of bars along one time axis. It is an HTML table, so screen readers read it as one and it makes sense without a
/// drawing.
struct Gantt {
    struct Row {
        var label: Markup
        /// What kind of thing the bar shows; the style sheet's colour has the same name.
        var kind: String
        var start: Int
        var end: Int
        /// How long it took, and anything else that colour alone must not tell.
        var figure: Markup
    }

    struct Group {
        var heading: Markup?
        var rows: [Row]
    }

    /// The heading of the column that names the rows.
    let label: String
    /// The caption for readers who cannot see the drawing.
    let caption: Markup
    let axis: TimeAxis
    let groups: [Group]

    var markup: Markup {
        """
        <table class="gantt" role="table" style="\(axis.style)">
        <caption class="unseen">\(caption)</caption>
        <thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">\(label)</th>\
        <th role="columnheader" scope="col"><span class="unseen">When</span>\(axis.markup)</th>\
        <th role="columnheader" scope="col" class="figure">Time</th></tr></thead>
        \(groups.map { markup(of: $0) })</table>

        """
    }

    private func markup(of group: Group) -> Markup {
        let heading: Markup =
            group.heading.map {
                "<tr role=\"row\" class=\"group\"><th role=\"rowheader\" scope=\"rowgroup\" colspan=\"3\">\($0)</th></tr>\n"
            } ?? .nothing
        return "<tbody role=\"rowgroup\">\n\(heading)\(group.rows.map { markup(of: $0) })</tbody>\n"
    }

    private func markup(of row: Row) -> Markup {
        """
        <tr role="row"><th role="rowheader" scope="row">\(row.label)</th><td role="cell"><div class="lane">\
        <span class="unseen">from \(Figures.duration(row.start - axis.start))</span>\
        <span class="bar \(row.kind)" \
        style="left:\(axis.place(row.start))%;width:\(axis.width(row.start, row.end))%"></span></div></td>\
        <td role="cell" class="figure">\(row.figure)</td></tr>

        """
    }
}

extension TimeAxis {
    /// The axis's ticks, as words at their positions.
    var markup: Markup {
        let marks: [Markup] = ticks.map { tick in
            // A label at the very end would hang over the edge.
            let words = length - tick < length / 9 ? "" : Figures.tick(tick)
            return "<span style=\"left:\(Figures.percent(Double(tick), of: Double(length)))%\">\(words)</span>"
        }
        return "<div class=\"axis\" aria-hidden=\"true\">\(marks)</div>"
    }

    /// What drawings along the axis need from it: the distance between its ticks.
    var style: Markup { "--tick:\(Figures.percent(Double(step), of: Double(length)))%" }
}
