import LianModel
import LianReport
import Testing

@Suite struct ReportPageTests {
    @Test func aBuildThatSucceeded() {
        let page = reportPage(Sample.succeeded())
        for text in [
            "Succeeded in", "41.4 s", "reg.example/acme/app:1", Sample.digest, "reg.example/acme/app:latest", "cx22",
            "2 cores, 4 GB, from this workspace&#39;s history", "runner gone", "r-77", "30 minutes", "2 from the cache",
            "Send the context", "[final 1/2]", "RUN go build -trimpath -o /out/app ./cmd/app", "17.3 s", "cached",
            "peak 2 cores of 2 cores", "assets/film.webm", "6.2 MB", "20\u{202F}411 files kept back",
            "reg.example/cache/acme/ci/main", "history_unavailable", "<b>cx32</b>", "41 recorded builds",
            "2026-09-21", "b-01J9Z6Q4C8R2T5V7X9A1B3D5F7",
        ] {
            #expect(page.contains(text), "\(text)")
        }
        #expect(!page.contains("What went wrong") && !page.contains("out of memory"))
        #expect(!page.contains("Attempt 1"))
    }

    @Test func aBuildThatEndedBeforeItHadARunner() {
        let page = reportPage(Sample.beforeSpawn())
        for text in [
            "Failed after", "9 ms", "there is no Dockerfile in /srv/acme", "Name it with --dockerfile.",
            "dockerfile_missing", "Resolve",
        ] {
            #expect(page.contains(text), "\(text)")
        }
        for section in ["id=\"attempt-1\"", "id=\"context\"", "id=\"cache\"", "id=\"warnings\"", "id=\"next\""] {
            #expect(!page.contains(section), "\(section)")
        }
    }

    @Test func nothingAtAll() {
        let page = reportPage(
            BuildRecord(begun: UTCTime(milliseconds: 0), envelope: ResultEnvelope(status: .cancelled)))
        #expect(page.contains("Cancelled after") && page.contains("0 ms"))
    }

    @Test func aRetryAfterOutOfMemory() {
        let page = reportPage(Sample.retried())
        for text in [
            "Attempt 1: cx22, out of memory", "Attempt 2: cx32, succeeded",
            "A process of the build was killed (exit 137). The kernel killed a process for it.",
            "out of memory, 17.9 s", "class=\"fall\"",
        ] {
            #expect(page.contains(text), "\(text)")
        }
        // The phase that it ended in, the step, and the legend.
        #expect(page.ranges(of: "class=\"bar failed\"").count == 3)
    }

    @Test func whatABuildWasEndedIn() {
        var record = Sample.succeeded()
        record.envelope.status = .cancelled
        record.envelope.error = .cancelled(in: .build)
        record.envelope.attempts[0].outcome = .cancelled
        record.attempts[0].steps = []
        record.attempts[0].samples = []
        #expect(reportPage(record).ranges(of: "class=\"bar cancelled\"").count == 1)
    }

    @Test func severalImages() {
        let page = reportPage(Sample.several())
        for text in [
            "3 images: base, api, web", "reg.example/acme/web:1", "skipped", "4 steps, 1 cached",
            "colspan=\"3\">base</th>", "colspan=\"3\">api</th>", "--- FAIL: TestServe (0.01s)\n",
            "<span class=\"bad\">failed</span> 8.9 s", "class=\"bar failed\"",
        ] {
            #expect(page.contains(text), "\(text)")
        }
    }

    @Test func aRunnerThatMayBeLeft() {
        var record = Sample.succeeded()
        record.envelope.runner?.destroyed = false
        #expect(reportPage(record).contains("runner may still be there</span> <small>r-77</small>"))
        // Whose name was never learned.
        record.envelope.runner?.id = nil
        #expect(reportPage(record).contains("runner may still be there</span></dd>"))
    }

    @Test(arguments: [
        (NextSize.noHistory, "long enough yet"), (.unknown(reason: "it keeps <none>"), "it keeps &lt;none&gt;"),
    ])
    func theNextSize(next: NextSize, text: String) {
        var record = Sample.succeeded()
        record.nextSize = next
        #expect(reportPage(record).contains(text))
    }

    /// Whatever a build says is text.
    @Test func nothingBecomesMarkup() {
        let page = reportPage(Sample.hostile())
        #expect(!page.lowercased().contains("<script") && !page.contains("<img") && !page.contains("\u{1B}"))
        #expect(!page.contains("\" onmouseover=\"") && !page.contains("' onmouseover='"))
        #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(page.ranges(of: "&lt;script&gt;").count > 20)
    }

    /// It loads nothing, and may load nothing.
    @Test func nothingIsFetched() {
        for record in [Sample.succeeded(), Sample.retried(), Sample.several()] {
            let page = reportPage(record)
            #expect(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"))
            for word in ["http:", "https:", "url(", "src=", "href=", "@import", "<link"] {
                #expect(!page.contains(word), "\(word)")
            }
        }
    }

    @Test func itsSizeIsBounded() {
        let page = reportPage(Sample.huge(name: "RUN " + String(repeating: "\"", count: 5000)))
        #expect(page.utf8.count < 1_000_000, "\(page.utf8.count)")
        for text in [
            "Not drawn: 4700 more steps", "class=\"bar failed\"", "peak 3.5 cores", "and 150 more image",
            "and 400 more",
        ] {
            #expect(page.contains(text), "\(text)")
        }
    }

    /// A runner may report anything.
    @Test func noNumberIsTooStrange() {
        var record = Sample.retried()
        let numbers = [.nan, .infinity, -.infinity, -1, 0, 1e300, .leastNonzeroMagnitude]
        for (index, number) in numbers.enumerated() {
            record.attempts[0].samples[index].cores = number
            record.attempts[1].samples[index].megabytes = number
        }
        record.attempts[0].sizing.size.memoryGB = 1e300
        record.attempts[1].steps[0].start = .max / 4
        record.attempts[1].steps[1].duration = -5
        record.envelope.context?.bytes = 0
        record.envelope.timings?.total = -1
        let page = reportPage(record)
        #expect(!page.contains("nan") && !page.contains("inf%"))
    }
}
