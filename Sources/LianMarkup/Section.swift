/// A part of the page under a heading; nothing where it has no content.
package func section(_ title: Markup, id: String, kind: Markup = .nothing, _ content: Markup) -> Markup {
    guard !content.text.isEmpty else { return .nothing }
    return """
        <section aria-labelledby="\(id)"\(kind)>
        <h2 id="\(id)">\(title)</h2>
        \(content)</section>

        """
}
