import Foundation
import LianModel
import LianReport
import LianTestSupport
import Testing

/// The page as a browser sees it.
@Suite(.serialized, .needsChromium)
struct BrowserTests {
    private static let records: [(name: String, record: BuildRecord)] = [
        ("succeeded", Sample.succeeded()), ("retried", Sample.retried()), ("several", Sample.several()),
        ("before-spawn", Sample.beforeSpawn()), ("hostile", Sample.hostile()),
        ("long-words", Sample.huge(name: String(repeating: "x", count: 3000))),
    ]

    private func withPages(
        _ count: Int = records.count, _ body: (Browser, String, URL) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            try await withBrowser { browser in
                for (name, record) in Self.records.prefix(count) {
                    let file = folder.appending(path: "\(name).html")
                    try reportPage(record).write(to: file, atomically: true, encoding: .utf8)
                    try await body(browser, name, file)
                }
            }
        }
    }

    @Test func itFitsAndFetchesNothing() async throws {
        try await withPages { browser, name, file in
            for width in [360, 768, 1200] {
                try await browser.show(file, width: width)
                #expect(
                    try await browser.evaluate("document.documentElement.scrollWidth") == .integer(width), "\(name)")
                #expect(browser.requests == [file.absoluteString], "\(name)")
                #expect(browser.complaints == [], "\(name)")
            }
        }
    }

    @Test func whatABuildSaysStaysText() async throws {
        try await withPages { browser, name, file in
            try await browser.show(file, width: 360)
            let active = "document.querySelectorAll('script,img,iframe,link,a,[onmouseover],[onload],[src]').length"
            #expect(try await browser.evaluate(active) == 0, "\(name)")
            guard name == "hostile" else { return }
            let text = try await browser.evaluate("document.body.innerText").stringValue ?? ""
            #expect(text.contains("<script>alert(1)</script><img src=x>") && text.contains("&amp;"))
        }
    }

    @Test func itsStructureCanBeReadOut() async throws {
        try await withPages { browser, name, file in
            try await browser.show(file, width: 1200)
            #expect(try await browser.evaluate(PageRules.structure) == "", "\(name)")
        }
    }

    /// In both colour schemes.
    @Test(arguments: [false, true])
    func everyWordStandsOut(dark: Bool) async throws {
        try await withPages { browser, name, file in
            try await browser.show(file, width: 1200, dark: dark)
            #expect(try await browser.evaluate(PageRules.contrast) == "", "\(name)")
            let paper = try await browser.evaluate("getComputedStyle(document.body).backgroundColor").stringValue
            #expect(paper == (dark ? "rgb(23, 22, 20)" : "rgb(253, 252, 250)"))
        }
    }

    @Test func onPaperItIsLight() async throws {
        try await withTemporaryFolder { folder in
            try await withBrowser { browser in
                let file = folder.appending(path: "retried.html")
                try reportPage(Sample.retried()).write(to: file, atomically: true, encoding: .utf8)
                try await browser.show(file, width: 1200, dark: true)
                let pdf = String(decoding: try await browser.print(), as: UTF8.self)
                #expect(pdf.hasPrefix("%PDF-"))
                // A4, in points.
                #expect(
                    pdf.contains("/MediaBox [0 0 594.95996 841.91998]"),
                    "\(pdf.firstRange(of: "/MediaBox").map { pdf[$0.lowerBound...].prefix(60) } ?? "none")")
                try await browser.pretendToPrint(dark: true)
                let paper = try await browser.evaluate("getComputedStyle(document.body).backgroundColor")
                #expect(paper == "rgb(255, 255, 255)")
                let width = try await browser.evaluate("document.documentElement.scrollWidth")
                #expect(width == 1200)
            }
        }
    }

    /// Pictures for people who change the page: into the folder that LIAN_PICTURES names.
    @Test func itsPicturesAreWholePages() async throws {
        try await withPages(4) { browser, name, file in
            for (width, dark) in [(360, true), (1200, false)] {
                try await browser.show(file, width: width, dark: dark)
                let picture = try await browser.picture()
                // The header of a PNG holds its size.
                let header = [UInt8](picture.prefix(24))
                #expect(header.starts(with: [0x89, 0x50, 0x4E, 0x47]))
                #expect(header[16..<20].reduce(0) { $0 << 8 | Int($1) } == width)
                let height = try await browser.evaluate("document.documentElement.scrollHeight").intValue
                #expect(header[20..<24].reduce(0) { $0 << 8 | Int($1) } == height)
                if let folder = Project.pictures {
                    try picture.write(to: folder.appending(path: "\(name)-\(width)\(dark ? "-dark" : "").png"))
                }
            }
        }
    }
}
