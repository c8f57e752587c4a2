import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The page as a browser shows it, served by the real program with real runners.
@Suite(.serialized, .needsChromium)
struct PageBrowserTests {
    /// An orchestrator with a token of each kind, and a browser that has nothing open yet.
    private func withPage(_ body: (Browser, Orchestrator, Caller) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let config = folder.appending(path: "c.json")
            let token = ConfigurationTests().token
            let document: JSONValue = [
                "capacity": 8,
                "tokens": [
                    token("admin", "token-of-the-test", "admin", ["acme"], ["ci"], [:]),
                    token("viewer", "of-viewer", "read", ["acme"], ["ci"], [:]),
                    token("other", "of-other", "read", ["other"], ["ci"], [:]),
                    token("ci", "of-ci", "build", ["acme"], ["ci"], [:]),
                    token("old", "of-old", "read", ["acme"], ["ci"], ["expires": "2020-01-01T00:00:00Z"]),
                ],
            ]
            try document.encoded().write(to: config, atomically: true, encoding: .utf8)
            try await withIdleRunners(flags: ["--config", config.path]) { orchestrator, caller in
                try await withBrowser { browser in try await body(browser, orchestrator, caller) }
            }
        }
    }

    private func show(
        _ browser: Browser, _ orchestrator: Orchestrator, _ path: String = "/", width: Int = 1200, dark: Bool = false
    ) async throws {
        let address = try #require(URL(string: orchestrator.url + path))
        try await browser.show(address, width: width, dark: dark)
    }

    private func shown(_ browser: Browser) async throws -> String {
        try await browser.evaluate("document.body?.innerText").stringValue ?? ""
    }

    private func expect(
        _ browser: Browser, shows words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let isShown = try await eventually { try await shown(browser).contains(words) }
        let text = try await shown(browser)
        #expect(isShown, "not “\(words)” but \(text)", sourceLocation: sourceLocation)
    }

    private func isTrue(_ browser: Browser, _ expression: String) async throws -> Bool {
        try await eventually { try await browser.evaluate(expression) == true }
    }

    /// As a person does, by the keyboard alone: the focus is in the field.
    private func logIn(_ browser: Browser, _ token: String) async throws {
        #expect(try await isTrue(browser, "document.activeElement?.id == 'token'"))
        try await browser.type(token)
        try await browser.press(.enter)
    }

    private func tell(_ orchestrator: Orchestrator, _ report: MetricsReport) async throws {
        let answer = try await orchestrator.request("POST", "/api/v1/workspaces/acme/metrics", body: report.json)
        #expect(answer.status == 202)
    }

    private func report(
        _ build: String, _ outcome: AttemptOutcome = .succeeded, attempt: Int = 1, on runner: String? = nil
    )
        -> MetricsReport
    {
        MetricsReport(
            buildID: build, attempt: attempt, runnerID: runner, tier: nil, outcome: outcome, cpuPeak: 1,
            memoryMBPeak: 700, durationSeconds: 42)
    }

    @Test func eachTokenIsShownWhatItMay() async throws {
        try await withPage { browser, orchestrator, caller in
            let runner = try await orchestrator.readyRunner(caller.order())
            try await tell(orchestrator, report("b-told"))
            try await show(browser, orchestrator)
            for (token, words) in [
                ("of-nobody", "is none of this orchestrator's"), ("of-ci", "the role 'build', which may not do this"),
                ("of-old", "'old' has expired"), ("schlüssel", "This cannot be a token"),
            ] {
                try await logIn(browser, token)
                try await expect(browser, shows: words)
                #expect(try await browser.evaluate("sessionStorage.length") == 0)
                #expect(try await browser.evaluate("document.getElementById('parts').innerText.trim()") == "")
            }
            for (token, sees) in [("of-viewer", true), ("of-other", false), ("token-of-the-test", true)] {
                try await logIn(browser, token)
                try await expect(browser, shows: "Live")
                let text = try await shown(browser)
                #expect(text.contains(runner.id) == sees && text.contains("b-told") == sees, "\(token)")
                #expect(text.contains("No runner is there now") != sees)
                // Kept for the tab: it is there when the page is loaded anew, and in no other one.
                try await show(browser, orchestrator)
                try await expect(browser, shows: "Live")
                #expect(try await browser.evaluate("localStorage.length + document.cookie.length") == 0)
                _ = try await browser.evaluate("document.getElementById('leave').click()")
                #expect(try await browser.evaluate("sessionStorage.length") == 0)
                #expect(try await browser.evaluate("document.getElementById('parts').innerText.trim()") == "")
            }
            _ = try await orchestrator.destroy(runner.id)
        }
    }

    @Test func aBuildIsFollowedWhileItRuns() async throws {
        try await withPage { browser, orchestrator, caller in
            try await show(browser, orchestrator)
            try await logIn(browser, "of-viewer")
            try await expect(browser, shows: "No runner is there now")
            let runner = try await orchestrator.readyRunner(caller.order(build: "b-followed"))
            try await expect(browser, shows: runner.id)
            #expect(try await shown(browser).contains("1 of 8 places"))

            // To its own page by the keyboard.
            _ = try await browser.evaluate(
                "[...document.querySelectorAll('a')].find(a => a.textContent == 'b-followed').focus()")
            try await browser.press(.enter)
            try await expect(browser, shows: "it is on a runner now")
            #expect(try await browser.evaluate("location.pathname") == "/build")
            #expect(try await shown(browser).contains(runner.id))
            #expect(try await browser.evaluate(PageRules.structure) == "")

            var failed = report("b-followed", .oom, on: runner.id)
            failed.errorCode = "out_of_memory"
            try await tell(orchestrator, failed)
            _ = try await orchestrator.destroy(runner.id)
            try await expect(browser, shows: "A step took more memory than the runner has")
            #expect(try await isTrue(browser, "!document.body?.innerText.includes('On a runner now')"))
            try await tell(orchestrator, report("b-followed", attempt: 2))
            try await expect(browser, shows: "Attempt 2")
            #expect(try await shown(browser).contains("700 MB of 1 GB"))
            #expect(browser.complaints == [])

            try await show(browser, orchestrator)
            try await expect(browser, shows: "at attempt 2, after: out of memory")
            try await show(browser, orchestrator, "/build?workspace=acme&id=never-was")
            try await expect(browser, shows: "Nothing is known of such a build.")
        }
    }

    @Test func whoReadsIsNotDisturbed() async throws {
        try await withPage { browser, orchestrator, _ in
            for build in 1...60 { try await tell(orchestrator, report("b-\(build)")) }
            try await show(browser, orchestrator)
            try await logIn(browser, "of-viewer")
            try await expect(browser, shows: "The last 60 builds")
            let link = "[...document.querySelectorAll('a')].find(a => a.textContent == 'b-30')"
            _ = try await browser.evaluate(
                "\(link).focus(); scrollTo(0, scrollY + \(link).getBoundingClientRect().top - 99)")
            let before = try await browser.evaluate("\(link).getBoundingClientRect().top")
            try await tell(orchestrator, report("b-new"))
            try await expect(browser, shows: "The last 61 builds")
            #expect(try await browser.evaluate("document.activeElement === \(link)") == true)
            let after = try await browser.evaluate("\(link).getBoundingClientRect().top")
            #expect(abs((before.doubleValue ?? 0) - (after.doubleValue ?? 1000)) <= 1)

            // What is marked stays as it is, and is caught up with afterwards.
            _ = try await browser.evaluate("getSelection().selectAllChildren(\(link))")
            let count = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/parts/builds')).length"
            let looks = try await browser.evaluate(count).intValue ?? 0
            try await tell(orchestrator, report("b-newer"))
            #expect(try await isTrue(browser, "\(count) > \(looks + 2)"))
            #expect(try await shown(browser).contains("The last 61 builds"))
            _ = try await browser.evaluate("getSelection().removeAllRanges()")
            try await expect(browser, shows: "The last 62 builds")
        }
    }

    private static let looks =
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/parts/')).length"

    /// What the orchestrator's own metrics say that it takes.
    private func usage(_ orchestrator: Orchestrator) async throws -> (memory: Double, descriptors: Double) {
        let text = String(decoding: try await orchestrator.request("GET", "/metrics").body, as: UTF8.self)
        func value(_ name: String) throws -> Double {
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("process_\(name) ") })
            return try #require(Double(line.split(separator: " ")[1]))
        }
        return (try value("resident_memory_bytes"), try value("open_fds"))
    }

    /// Ten people look while builds go on: builds are answered as ever, and looking on and on takes nothing more.
    @Test func tenTabsCostBuildsNothing() async throws {
        let slowness = try Slowness()
        try await withPage { browser, orchestrator, caller in
            let pid = try #require(orchestrator.pid)
            let runner = try await orchestrator.readyRunner(caller.order())
            for build in 1...200 { try await tell(orchestrator, report("b-\(build)")) }
            var tabs: [Browser.Tab] = []
            for number in 0..<10 {
                tabs.append(try await browser.openTab())
                try await show(browser, orchestrator)
                try await logIn(browser, number < 5 ? "of-viewer" : "token-of-the-test")
                try await expect(browser, shows: "Live")
            }
            /// How often each has looked.
            func looks() async throws -> [Int] {
                var looks: [Int] = []
                for tab in tabs {
                    browser.turn(to: tab)
                    looks.append(try await browser.evaluate(Self.looks).intValue ?? 0)
                }
                return looks
            }
            let first = try await looks()
            let (before, threads) = (try await usage(orchestrator), threadCount(of: pid))
            let start = ContinuousClock.now
            var times: [Duration] = []
            let haveLooked = try await eventually(within: .seconds(600)) {
                for _ in 0..<20 {
                    let asked = ContinuousClock.now
                    #expect(try await orchestrator.heartbeat(runner.id) == 200)
                    times.append(.now - asked)
                }
                // Both parts, five times.
                return try await zip(first, looks()).allSatisfy { $1 >= $0 + 10 }
            }
            #expect(haveLooked, "\(first)")
            times.sort()
            let slow = slowness.factor(since: start)
            let (half, last) = (times[times.count / 2], try #require(times.last))
            #expect(half < .milliseconds(100) * slow && last < .seconds(3) * slow, "\(half) \(last) \(slow)")
            // A browser has six connections to a server at the most; those of heartbeats go a moment after these.
            #expect(try await eventually { try await usage(orchestrator).descriptors <= before.descriptors + 8 })
            let after = try await usage(orchestrator)
            #expect(after.memory < before.memory + Double(16 << 20), "\(before) \(after)")
            #expect(threadCount(of: pid) <= threads + 2)
            _ = try await orchestrator.destroy(runner.id)
        }
    }

    /// Timers are what it looks by: none is set while nobody sees the page, or it is paused.
    @Test func whoDoesNotLookAsksForNothing() async throws {
        try await withPage { browser, orchestrator, _ in
            try await show(browser, orchestrator)
            try await logIn(browser, "of-viewer")
            try await expect(browser, shows: "Live")
            _ = try await browser.evaluate(
                """
                var isHidden = true, timers = 0;
                Object.defineProperty(document, 'hidden', { get: () => isHidden });
                const set = setTimeout;
                window.setTimeout = (...given) => { timers++; return set(...given); };
                const change = () => document.dispatchEvent(new Event('visibilitychange'));
                change(); change();
                """)
            #expect(try await browser.evaluate("timers") == 0)
            _ = try await browser.evaluate("isHidden = false; change()")
            #expect(try await isTrue(browser, "timers > 1"))
            _ = try await browser.evaluate("document.getElementById('pause').click()")
            try await expect(browser, shows: "Paused")
            #expect(
                try await browser.evaluate("document.getElementById('pause').getAttribute('aria-pressed')") == "true")
            _ = try await browser.evaluate("timers = 0; change()")
            #expect(try await browser.evaluate("timers") == 0)
            _ = try await browser.evaluate("document.getElementById('pause').click()")
            #expect(try await isTrue(browser, "timers > 0"))
        }
    }

    @Test func itSaysWhenNobodyAnswers() async throws {
        try await withPage { browser, orchestrator, _ in
            try await show(browser, orchestrator)
            try await logIn(browser, "of-viewer")
            try await expect(browser, shows: "Live")
            _ = try await browser.evaluate(
                "const ask = fetch; window.fetch = () => Promise.reject(new TypeError('gone'))")
            try await expect(browser, shows: "The orchestrator does not answer")
            #expect(try await shown(browser).contains("No runner is there now"))
            _ = try await browser.evaluate("window.fetch = ask")
            try await expect(browser, shows: "Live")
        }
    }

    /// At phone width and beyond, in both colour schemes, before and after the login.
    @Test(arguments: [false, true])
    func itCanBeReadByEveryone(dark: Bool) async throws {
        try await withPage { browser, orchestrator, caller in
            let runner = try await orchestrator.readyRunner(caller.order(build: "b-running"))
            for (index, outcome) in AttemptOutcome.allCases.enumerated() {
                var told = report("b-\(index)-" + String(repeating: "x", count: 50), outcome, on: runner.id)
                told.errorCode = outcome == .succeeded ? nil : "build_failed"
                told.timingsMS = ["build": 1000]
                try await tell(orchestrator, told)
            }
            func check(_ name: String) async throws {
                for rule in [PageRules.structure, PageRules.names, PageRules.contrast] {
                    #expect(try await browser.evaluate(rule) == "", "\(name)")
                }
                let width = try await browser.evaluate("innerWidth")
                #expect(try await browser.evaluate("document.documentElement.scrollWidth") == width, "\(name) \(width)")
            }
            for width in [360, 768, 1200] {
                try await show(browser, orchestrator, width: width, dark: dark)
                if width == 360 {
                    #expect(try await isTrue(browser, "document.activeElement?.id == 'token'"))
                    try await check("login")
                    try await logIn(browser, "token-of-the-test")
                }
                try await expect(browser, shows: "Live")
                try await check("overview")
                let paper = try await browser.evaluate("getComputedStyle(document.body).backgroundColor").stringValue
                #expect(paper == (dark ? "rgb(23, 22, 20)" : "rgb(253, 252, 250)"))
                #expect(browser.requests.allSatisfy { $0.hasPrefix(orchestrator.url + "/") }, "\(browser.requests)")
                #expect(browser.complaints == [])

                try await show(
                    browser, orchestrator, "/build?workspace=acme&id=b-1-" + String(repeating: "x", count: 50),
                    width: width, dark: dark)
                try await expect(browser, shows: "Attempt 1")
                try await check("build")
                #expect(browser.complaints == [])
            }
            try await browser.pretendToPrint(dark: dark)
            #expect(
                try await browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)")
            let paper = String(decoding: try await browser.print(), as: UTF8.self)
            #expect(paper.hasPrefix("%PDF-"))
            _ = try await orchestrator.destroy(runner.id)
        }
    }

    /// The focus goes through all controls from the top down, and is seen on each.
    @Test func aKeyboardIsEnough() async throws {
        try await withPage { browser, orchestrator, _ in
            try await tell(orchestrator, report("b-1"))
            try await show(browser, orchestrator)
            try await logIn(browser, "of-viewer")
            #expect(try await isTrue(browser, "document.activeElement?.id == 'main'"))
            let controls = try await browser.evaluate(
                "[...document.querySelectorAll('a,button')].filter(e => e.offsetParent).map(e => e.textContent)")
            #expect(controls == ["Runners", "Next sizes", "Volumes", "Providers", "Builds", "Pause", "Log out", "b-1"])
            _ = try await browser.evaluate(
                "document.activeElement.blur(); scrollTo(0, 0); getSelection().removeAllRanges()")
            _ = try await browser.evaluate("document.querySelector('nav a').focus()")
            var visited: [JSONValue] = []
            for _ in controls.arrayValue ?? [] {
                visited.append(try await browser.evaluate("document.activeElement.textContent"))
                let outline = try await browser.evaluate("getComputedStyle(document.activeElement).outlineWidth")
                #expect(outline == "3px", "\(visited.last ?? .null)")
                try await browser.press(.tab)
            }
            #expect(.array(visited) == controls)
            _ = try await browser.evaluate("document.getElementById('leave').focus()")
            try await browser.press(.enter)
            #expect(try await isTrue(browser, "document.activeElement?.id == 'token'"))
        }
    }
}
