/// page.css, less its comments: the page carries what a browser needs.
let styleSheet = Markup(
    stringLiteral: String(decoding: PackageResources.page_css, as: UTF8.self)
        .split(separator: "\n")
        .filter { !$0.hasPrefix("/*") }
        .joined(separator: "\n"))
