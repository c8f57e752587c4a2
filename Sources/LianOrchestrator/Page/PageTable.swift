import LianMarkup
import LianModel

/// A table on the page. Its rows become blocks where the window is narrow: the roles keep it a table for screen readers
/// even then.
struct PageTable {
    /// The name in the style sheet.
    let kind: String
    let caption: Markup
    let columns: [String]
    /// The first cell of each row is its heading.
    let rows: [[Markup]]

    var markup: Markup {
        """
        <table class="rows \(kind)" role="table">
        <caption>\(caption)</caption>
        <thead role="rowgroup"><tr role="row">\
        \(columns.map { "<th role=\"columnheader\" scope=\"col\">\($0)</th>" })</tr></thead>
        <tbody role="rowgroup">
        \(rows.map { row($0) })</tbody></table>

        """
    }

    private func row(_ cells: [Markup]) -> Markup {
        let rest: [Markup] = cells.dropFirst().map { "<td role=\"cell\">\($0)</td>" }
        return "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">\(cells[0])</th>\(rest)</tr>\n"
    }
}

/// A drawing of what the words beside it say. The page's policy allows no style in an element: what is drawn has its
/// place by SVG's own attributes.
struct PageBar {
    struct Piece {
        /// The name in the style sheet.
        let kind: String
        let amount: Double
    }

    let pieces: [Piece]
    let whole: Double

    var markup: Markup {
        var begun = 0.0
        var drawn: Markup = .nothing
        for piece in pieces where piece.amount > 0 {
            let (start, width) = (Figures.percent(begun, of: whole), Figures.percent(piece.amount, of: whole))
            drawn += "<rect class=\"\(piece.kind)\" x=\"\(start)%\" width=\"\(width)%\" height=\"100%\"/>"
            begun += piece.amount
        }
        return "<svg class=\"bar\" aria-hidden=\"true\">\(drawn)</svg>"
    }
}

extension UTCTime {
    /// To the second, for people: the page says once that its times are in UTC.
    var markup: Markup {
        let text = String(rfc3339.prefix(19))
        return "<time datetime=\"\(text)Z\">\(text.replacing("T", with: " "))</time>"
    }
}

/// What stands in a table's place where it would have no rows: what that means, and what to do.
func emptiness(_ words: Markup) -> Markup { "<p class=\"empty\">\(words)</p>\n" }

/// The link to a build's own page.
func buildLink(_ id: String, in workspace: String, _ words: Markup) -> Markup {
    let target = "build?workspace=\(percentEncoded(workspace))&id=\(percentEncoded(id))"
    return "<a href=\"\(target)\">\(words)</a>"
}
