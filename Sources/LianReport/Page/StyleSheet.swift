/// page.css without its comments, which a browser does not need.
let styleSheet = Markup(
    stringLiteral: String(decoding: PackageResources.page_css, as: UTF8.self)
        .split(separator: "\n")
        .filter { !$0.hasPrefix("/*") }
        .joined(separator: "\n"))
