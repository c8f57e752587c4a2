import LianMarkup
import LianModel

/// The report as one HTML file that needs nothing else: no script, no font, no picture, no network.
package func reportPage(_ record: BuildRecord) -> String {
    let envelope = record.envelope
    let subject = envelope.artifacts?.first?.title ?? envelope.workspace ?? "lian-build"
    let sections: [Markup] = [
        header(record), failure(envelope), whereTheTimeWent(record), attempts(record), images(envelope),
        context(record), caches(envelope), warnings(envelope), nextTime(record),
    ]
    let style = Markup(stringLiteral: styleSheet(adding: PackageResources.page_css))
    let page: Markup = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
        base-uri 'none'; form-action 'none'">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="referrer" content="no-referrer">
        <title>\(envelope.status.word): \(subject)</title>
        <style>\(style)</style>
        </head>
        <body>
        <main>
        \(sections)</main>
        <footer>lian-build \(lianBuildVersion)\(envelope.buildID.map { ", \($0)" } ?? "")</footer>
        </body>
        </html>

        """
    return page.text
}

/// A list on the page, shortened where it has too many items.
func listed(_ items: [Markup], most: Int = 100) -> Markup {
    guard !items.isEmpty else { return .nothing }
    let rest: Markup = items.count > most ? "<li>and \(items.count - most) more</li>\n" : .nothing
    return "<ul>\n\(items.prefix(most).map { "<li>\($0)</li>\n" })\(rest)</ul>\n"
}

private func images(_ envelope: ResultEnvelope) -> Markup {
    // A single image is already shown in the header.
    guard let artifacts = envelope.artifacts, artifacts.count > 1 else { return .nothing }
    let most = 200
    let rows: [Markup] = artifacts.prefix(most).map { artifact in
        let digest: Markup = artifact.digest.map { "<br><code class=\"soft\">\($0)</code>" } ?? .nothing
        let steps: Markup = artifact.steps.map { "\(counted($0.total, "step")), \($0.cached) cached" } ?? .nothing
        return """
            <tr role="row"><th role="rowheader" scope="row">\(artifact.name)</th>\
            <td role="cell" class="\(artifact.status == .failed ? "bad" : "plain")">\(artifact.outcome)</td>\
            <td role="cell"><code>\(artifact.title)</code>\(digest)</td><td role="cell" class="figure">\(steps)</td>\
            <td role="cell" class="figure">\(artifact.durationMS.map(Figures.duration) ?? "")</td></tr>

            """
    }
    let rest: Markup =
        artifacts.count > most ? "<p>and \(counted(artifacts.count - most, "more image"))</p>\n" : .nothing
    return section(
        "Images", id: "images",
        """
        <table class="images" role="table">
        <thead class="unseen" role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Name</th>\
        <th role="columnheader" scope="col">Outcome</th><th role="columnheader" scope="col">Image</th>\
        <th role="columnheader" scope="col">Steps</th><th role="columnheader" scope="col">Time</th></tr></thead>
        <tbody role="rowgroup">
        \(rows)</tbody></table>
        \(rest)
        """)
}

private func context(_ record: BuildRecord) -> Markup {
    guard let context = record.envelope.context else { return .nothing }
    let back: Markup =
        context.excludedFiles > 0
        ? "; \(counted(context.excludedFiles, "file")) kept back by the ignore rules" : .nothing
    let sent: Markup = context.sentBytes.map { " \(Figures.bytes($0)) went over the wire." } ?? .nothing
    let rows: [Markup] = record.largest.map { large in
        """
        <tr><th scope="row"><code>\(large.path)</code></th><td><div class="lane"><span class="bar size" \
        style="left:0;width:\(Figures.percent(Double(large.bytes), of: Double(context.bytes)))%"></span></div></td>\
        <td class="figure">\(Figures.bytes(large.bytes))</td></tr>

        """
    }
    let table: Markup =
        rows.isEmpty
        ? .nothing
        : """
        <table class="sizes"><caption>Its largest files, as shares of the whole</caption>
        <thead class="unseen"><tr><th scope="col">File</th><th scope="col">Share</th><th scope="col">Size</th></tr></thead>
        <tbody>
        \(rows)</tbody></table>

        """
    return section(
        "Context", id: "context",
        """
        <p>\(counted(context.files, "file")), \(Figures.bytes(context.bytes))\(back).\(sent)</p>
        \(table)
        """)
}

private func caches(_ envelope: ResultEnvelope) -> Markup {
    guard let cache = envelope.cache, !cache.from.isEmpty || !cache.to.isEmpty else { return .nothing }
    func list(_ title: Markup, _ references: [String]) -> Markup {
        let content: Markup =
            references.isEmpty ? "<p>nothing</p>\n" : listed(references.map { "<code>\($0)</code>" })
        return "<div><h3>\(title)</h3>\n\(content)</div>\n"
    }
    return section(
        "Cache", id: "cache",
        "<div class=\"pair\">\n\(list("Read from", cache.from))\(list("Written to", cache.to))</div>\n")
}

private func warnings(_ envelope: ResultEnvelope) -> Markup {
    section(
        "Warnings", id: "warnings", listed(envelope.warnings.map { "<code>\($0.code.rawValue)</code> \($0.message)" }))
}

private func nextTime(_ record: BuildRecord) -> Markup {
    let text: Markup
    switch record.nextSize {
    case nil: return .nothing
    case .sized(let sizing, let history):
        let differs =
            record.envelope.sizing?.source == .explicit
            ? " This build's size was asked for; without that, the next one gets what history says." : ""
        text = """
            <p>By its history this workspace gets <b>\(sizing.name)</b> next (\(sizing.measure)): \
            \(history.reason).\(differs)</p>

            """
    case .noHistory:
        text = "<p>No history of this workspace is long enough yet to choose a size by.</p>\n"
    case .unknown(let reason):
        text = "<p>What history would choose is not known: \(reason)</p>\n"
    }
    return section("Next time", id: "next", text)
}
