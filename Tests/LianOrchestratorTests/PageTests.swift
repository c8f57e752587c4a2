import Foundation
import LianMarkup
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

/// What the page is made of, and who is given which of it.
@Suite struct PageTests {
    private let files = ["/", "/build?workspace=acme&id=b-1", "/page.css", "/page.js", "/page.svg"]

    private func text(_ answer: OutgoingResponse) -> String { String(decoding: answer.body, as: UTF8.self) }

    private func part(_ fixture: FleetFixture, _ name: String, by token: Token) async -> String {
        let answer = await ask(fixture.routes, "GET", "/parts/\(name)", by: token)
        #expect(answer.status == 200 && answer.headers["Content-Type"] == "text/html; charset=utf-8")
        return text(answer)
    }

    private func withoutToken(_ fixture: FleetFixture, _ target: String) -> OutgoingResponse? {
        guard case .refused(let answer) = fixture.routes.admission(of: IncomingRequest(method: "GET", target: target))
        else { return nil }
        return answer
    }

    // MARK: The frame

    @Test func whatNeedsNoTokenHoldsTheLoginAlone() async throws {
        try await withFleet { fixture in
            let before = files.map { withoutToken(fixture, $0)?.body }
            _ = try fixture.readyWithVolume("key-1")
            try fixture.store.keep(buildReport(1), of: "acme")
            for (file, bytes) in zip(files, before) {
                let answer = try #require(withoutToken(fixture, file))
                #expect(answer.status == 200 && answer.body == bytes && !answer.body.isEmpty, "\(file)")
                #expect(!text(answer).contains("acme"), "\(file)")
                #expect(answer.headers["Cache-Control"] == "no-store")
                #expect(answer.headers["X-Content-Type-Options"] == "nosniff")
                #expect(answer.headers["Referrer-Policy"] == "no-referrer")
                let policy = try #require(answer.headers["Content-Security-Policy"])
                for rule in [
                    "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
                    "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'",
                ] {
                    #expect(policy.split(separator: "; ").contains(rule[...]), "\(rule)")
                }
                #expect(!policy.contains("unsafe"))
            }
            let types = files.map { withoutToken(fixture, $0)?.headers["Content-Type"] }
            #expect(
                types == [
                    "text/html; charset=utf-8", "text/html; charset=utf-8", "text/css; charset=utf-8",
                    "text/javascript; charset=utf-8", "image/svg+xml",
                ])
            for path in ["/parts/overview", "/parts/builds", "/parts/build?workspace=acme&id=b-1"] {
                #expect(withoutToken(fixture, path)?.status == 401, "\(path)")
            }
            // Without the script nothing can be seen, which is said in words.
            let frame = text(try #require(withoutToken(fixture, "/")))
            #expect(frame.contains("<noscript>") && frame.contains("JavaScript"))
            // What it asks for lies beside it, below whatever path a proxy has put it.
            for found in frame.matches(of: /(?:src|href)="([^"]*)"/) {
                #expect(files.contains("/\(found.output.1)") || found.output.1.hasPrefix("#"))
            }
            #expect(!frame.contains("style="))
        }
    }

    // MARK: The parts

    @Test func emptyPartsSayWhatToDo() async throws {
        try await withFleet { fixture in
            let reader = try AccessTests.token("reader", .read)
            let overview = await part(fixture, "overview", by: reader)
            for words in [
                "No runner is there now", "ORCHESTRATOR_URL", "No workspace has a history yet",
                "No volume is kept yet", "0 of 4 places",
            ] {
                #expect(overview.contains(words), "\(words)")
            }
            #expect(await part(fixture, "builds", by: reader).contains("No build has told of itself yet"))
        }
    }

    @Test func aTokenIsShownWhatItSees() async throws {
        try await withFleet { fixture in
            let stranger = try AccessTests.token("stranger", .read, ["other"])
            let reader = try AccessTests.token("reader", .read)
            let before = (
                await part(fixture, "overview", by: stranger), await part(fixture, "builds", by: stranger)
            )
            let runner = try fixture.readyWithVolume("key-1")
            _ = try fixture.keep(runner.runnerID)
            var report = buildReport(1, .oom, cpu: 2, memory: 4096, seconds: 60)
            report.runnerID = runner.runnerID
            try fixture.store.keep(report, of: "acme")
            var retry = buildReport(1, attempt: 2, cpu: 3, memory: 5000, seconds: 75)
            retry.stepsTotal = 20
            retry.stepsCached = 12
            retry.volumeState = "warm"
            retry.kept = true
            retry.timingsMS = ["sync": 1500, "build": 70_000, "total": 75_000, "other": 1]
            try fixture.store.keep(retry, of: "acme")
            try fixture.store.keep(buildReport(1, .failed), of: "other-2")

            #expect(await part(fixture, "overview", by: stranger) == before.0)
            #expect(await part(fixture, "builds", by: stranger) == before.1)
            let overview = await part(fixture, "overview", by: reader)
            for words in [
                runner.runnerID, "1 of 4 places", "ready", "cx22", "2 cores, 4 GB", "lease: </span>1 min 00 s left",
                "cold", "ci/acme/app", "generation 1", "95 % of 1 recorded build used", "ok",
            ] {
                #expect(overview.contains(words), "\(words)")
            }
            let builds = await part(fixture, "builds", by: reader)
            for words in [
                "\"build?workspace=acme&amp;id=b-1\"", "succeeded", "at attempt 2, after: out of memory", "2 min 15 s",
                "4.9 GB", "warm, kept", "The last 1 build,",
            ] {
                #expect(builds.contains(words), "\(words)")
            }
            #expect(!builds.contains("other-2") && builds.contains("<rect class=\"bad\" x=\"0%\" width=\"44.44%\""))
            #expect(await part(fixture, "builds", by: .ofAll("secret")).contains("other-2"))

            let build = await part(fixture, "build?workspace=acme&id=b-1", by: reader)
            for words in [
                "On a runner now", "Attempt 1", "out of memory", "4 GB of 4 GB", "Attempt 2", "20, of which 12 cached",
                "Send the context", "1.5 s", "other", "tried once more on a larger runner",
            ] {
                #expect(build.contains(words), "\(words)")
            }
            #expect(!build.contains("75.0 s"))
        }
    }

    /// A build that a token may not see is answered as one that never was, to the byte.
    @Test func whatIsHiddenNeverWas() async throws {
        try await withFleet { fixture in
            try fixture.store.keep(buildReport(1), of: "acme")
            let stranger = try AccessTests.token("stranger", .read, ["other"])
            let answers = [
                await ask(fixture.routes, "GET", "/parts/build?workspace=acme&id=b-1", by: stranger),
                await ask(fixture.routes, "GET", "/parts/build?workspace=acme&id=b-2", by: stranger),
                await ask(fixture.routes, "GET", "/parts/build?workspace=other&id=b-1", by: stranger),
            ]
            for answer in answers {
                #expect(answer.status == 404 && answer.body == answers[0].body && answer.headers == answers[0].headers)
            }
            for query in ["", "?workspace=acme", "?id=b-1", "?workspace=A&id=b-1", "?workspace=acme&id=b-1&id=b-1"] {
                let answer = await ask(fixture.routes, "GET", "/parts/build\(query)", by: .ofAll("secret"))
                #expect(answer.status == 400, "\(query)")
            }
            let builder = try AccessTests.token("builder", .build)
            for path in ["/parts/overview", "/parts/builds", "/parts/build?workspace=acme&id=b-1"] {
                #expect(await ask(fixture.routes, "GET", path, by: builder).status == 403, "\(path)")
            }
        }
    }

    @Test func whatOthersSayStaysText() async throws {
        try await withFleet { fixture in
            let hostile = "<script>alert(1)</script>\"'&<img src=x>"
            var report = MetricsReport(
                buildID: "../?#%&=" + hostile, attempt: 1, runnerID: hostile, tier: hostile, outcome: .failed,
                cpuPeak: .greatestFiniteMagnitude, memoryMBPeak: .greatestFiniteMagnitude,
                durationSeconds: .greatestFiniteMagnitude, volumeState: "\"><img src=x>", kept: false)
            report.artifacts = [hostile]
            report.errorCode = "<b onload=alert(1)>"
            report.stepsTotal = .max
            report.imageBytes = .max
            report.timingsMS = [hostile: .max]
            try fixture.store.keep(report, of: "acme")
            let everything = Token.ofAll("secret")
            let builds = await part(fixture, "builds", by: everything)
            let link = try #require(builds.firstMatch(of: /href="([^"]*)"/)).output.1
            // The link leads to that build's page, whatever it is called.
            let build = await part(fixture, String(link).replacing("&amp;", with: "&"), by: everything)
            for page in [builds, build] {
                #expect(!page.contains("<script") && !page.contains("<img") && !page.contains("<b onload"))
                #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;&lt;img src=x&gt;"))
            }
        }
    }

    // MARK: What it costs

    @Test func whoHasItIsSparedIt() async throws {
        try await withFleet { fixture in
            let routes = fixture.routes
            let everything = Token.ofAll("secret")
            for path in ["/parts/overview", "/parts/builds"] {
                let first = await ask(routes, "GET", path, by: everything)
                let tag = try #require(first.headers["ETag"])
                for (known, isKnown) in [
                    (tag, true), ("W/\(tag)", true), ("\"x\", \(tag)", true), ("\"x\"", false),
                ] {
                    let again = await ask(routes, "GET", path, by: everything, knowing: known)
                    #expect(again.status == (isKnown ? 304 : 200) && again.body.isEmpty == isKnown, "\(known)")
                    #expect(again.headers["ETag"] == tag)
                }
            }
        }
    }

    @Test func allWhoSeeTheSameShareOneRendering() throws {
        let time = Monitor(ContinuousClock.now)
        let parts = RenderedParts { time.current }
        var rendered = 0
        func ask(_ token: Token, _ part: String = "overview", taking work: Duration = .zero) -> String {
            let found = parts.part(RenderedParts.Key(part, seenBy: token)) {
                rendered += 1
                time.update { $0 += work }
                return "\(rendered)"
            }
            return String(decoding: found.body, as: UTF8.self)
        }
        let (one, two) = (try AccessTests.token("one", .read), try AccessTests.token("two", .read))
        for _ in 1...10 { #expect(ask(one) == "1" && ask(two) == "1") }
        // Who sees something else is shown something else.
        #expect(ask(try AccessTests.token("three", .read, ["acme", "other"])) == "2")
        #expect(ask(try AccessTests.token("four", .read, maxRunners: 1)) == "3")
        #expect(ask(one, "builds") == "4")
        let all = try AccessTests.token("all", .read, ["*"])
        #expect(ask(.ofAll("a")) == "5" && ask(all) == "5")
        time.update { $0 += .milliseconds(999) }
        #expect(ask(one) == "1")
        time.update { $0 += .milliseconds(1) }
        // Rendering it takes a second: it is good for twenty.
        #expect(ask(one, taking: .seconds(1)) == "6")
        time.update { $0 += .milliseconds(19_999) }
        #expect(ask(two) == "6")
        time.update { $0 += .milliseconds(1) }
        #expect(ask(two) == "7")
        for count in 1...100 { _ = ask(try AccessTests.token("t", .read, ["w-\(count)"])) }
        #expect(rendered == 107)
    }
}
