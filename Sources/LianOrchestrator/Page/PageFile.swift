import LianMarkup
import LianModel

/// What a browser is given without a token: the frame of the page, which holds nothing but the login, and what it needs.
enum PageFile: String {
    case overview = ""
    case build
    case style = "page.css"
    case script = "page.js"
    case icon = "page.svg"

    var contentType: String {
        switch self {
        case .overview, .build: "text/html; charset=utf-8"
        case .style: "text/css; charset=utf-8"
        case .script: "text/javascript; charset=utf-8"
        case .icon: "image/svg+xml"
        }
    }

    var bytes: [UInt8] {
        switch self {
        case .overview: Self.overviewFrame
        case .build: Self.buildFrame
        case .style: Self.styleFile
        case .script: PackageResources.page_js
        case .icon: PackageResources.page_svg
        }
    }

    private static let styleFile = Array(styleSheet(adding: PackageResources.page_css).utf8)

    private static let overviewFrame = frame(
        title: "Runners and builds",
        links: """
            <a href="#runners">Runners</a> <a href="#sizes">Next sizes</a> <a href="#volumes">Volumes</a> \
            <a href="#providers">Providers</a> <a href="#builds">Builds</a>
            """,
        parts: ["overview", "builds"])

    private static let buildFrame = frame(
        title: "A build", links: "<a href=\"./\">All runners and builds</a>", parts: ["build"])

    /// The script fills the parts in. No address begins with a slash: a proxy may have put all of it below a path.
    private static func frame(title: Markup, links: Markup, parts: [String]) -> [UInt8] {
        let page: Markup = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title): lian-orchestrator</title>
            <link rel="icon" href="page.svg" type="image/svg+xml">
            <link rel="stylesheet" href="page.css">
            <script src="page.js" defer></script>
            </head>
            <body>
            <header>
            <p class="brand">lian-orchestrator</p>
            <h1>\(title)</h1>
            <div id="session" hidden>
            <nav aria-label="On this page">\(links)</nav>
            <p id="state" role="status"></p>
            <button type="button" id="pause" aria-pressed="false">Pause</button>
            <button type="button" id="leave">Log out</button>
            </div>
            </header>
            <main id="main" tabindex="-1">
            <noscript><p class="message">This page asks for a token and keeps itself fresh by a script of its own: allow \
            JavaScript for this address. The same can be read as JSON: GET /api/v1/overview and /api/v1/builds.</p>
            </noscript>
            <form id="login" hidden>
            <h2>Log in</h2>
            <p id="advice">With a token of the role read or admin, as this orchestrator’s configuration lists them; \
            without a configuration, with the one that it made at its first start. It is kept until this tab is \
            closed.</p>
            <p id="problem" class="message bad" role="alert"></p>
            <label for="token">Token</label>
            <input type="password" id="token" required autocomplete="off" spellcheck="false" \
            aria-describedby="advice problem">
            <button>Log in</button>
            </form>
            <div id="parts" hidden>
            \(parts.map { "<div data-part=\"\($0)\"></div>\n" as Markup })</div>
            </main>
            <footer>Times are in UTC.</footer>
            </body>
            </html>

            """
        return Array(page.text.utf8)
    }
}
