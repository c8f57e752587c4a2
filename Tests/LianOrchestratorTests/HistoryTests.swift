import Foundation
import LianModel
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// What is kept of builds.
@Suite struct HistoryTests {
    private func withStore<Result>(
        _ limits: HistoryLimits = HistoryLimits(), _ body: (Store) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryFolder(inMemory: true) { folder in
            try await body(try Store(path: folder.appending(path: "store").path, limits: limits))
        }
    }

    private let everything = Token.ofAll("secret")

    /// The builds of all pages, each as WORKSPACE/BUILD and its attempts.
    private func pages(
        _ store: Store, by token: Token? = nil, workspace: String? = nil, limit: Int = 500
    ) throws -> [String] {
        var (found, position): ([String], Int?) = ([], nil)
        repeat {
            let page = try store.builds(
                seenBy: token ?? everything, workspace: workspace, before: position, limit: limit)
            #expect(page.builds.count == limit || page.next == nil)
            found += page.builds.map { build in
                ([build.workspace + "/" + build.buildID] + build.attempts.map { "\($0.report.attempt)" })
                    .joined(separator: " ")
            }
            position = page.next
        } while position != nil
        return found
    }

    /// Nearest rank, reckoned by hand.
    @Test(arguments: [(1, 1), (2, 2), (10, 10), (19, 19), (20, 19), (21, 20), (40, 38), (50, 48), (100, 95)])
    func nearestRank(_ count: Int, _ expected: Int) {
        #expect(nearestRankP95((1...count).map(Double.init).shuffled()) == Double(expected))
    }

    @Test func noSamplesNoRank() {
        #expect(nearestRankP95([]) == nil)
    }

    @Test func historyLooksAtTheLastFiftySuccesses() async throws {
        try await withStore { store in
            #expect(try store.history(of: "acme") == UsageHistory(workspace: "acme", samples: 0))
            for build in 1...60 {
                try store.keep(buildReport(build, cpu: Double(build), seconds: Double(build)), of: "acme")
            }
            try store.keep(buildReport(61, .failed, cpu: 1000), of: "acme")
            try store.keep(buildReport(62, cpu: 1000), of: "other")
            let history = try store.history(of: "acme")
            // 11 to 60, of which the 48th is 58.
            #expect(
                history
                    == UsageHistory(
                        workspace: "acme", samples: 50, cpuP95: 58, memoryMBP95: nil, durationSecondsP95: 58))
        }
    }

    @Test func metricsAreKeptOncePerAttempt() async throws {
        try await withStore { store in
            try store.keep(buildReport(1, seconds: 5), of: "acme")
            try store.keep(buildReport(1, seconds: 9), of: "acme")
            try store.keep(buildReport(1, attempt: 2, seconds: 7), of: "acme")
            let history = try store.history(of: "acme")
            #expect(history.samples == 2)
            #expect(history.durationSecondsP95 == 7)
        }
    }

    // MARK: Bounds

    @Test func aWorkspaceKeepsItsLastReports() async throws {
        try await withStore(HistoryLimits(ofWorkspace: 60)) { store in
            try store.keep(buildReport(0, seconds: 9), of: "other")
            for build in 1...65 {
                try store.keep(buildReport(build), of: "acme")
                try store.keep(buildReport(1000 + build, .failed), of: "acme")
            }
            #expect(try store.history(of: "acme").samples == Store.historyLength)
            #expect(try store.history(of: "other").durationSecondsP95 == 9)
            let kept = try pages(store, workspace: "acme")
            #expect(kept.count == 120 && kept.last == "acme/b-6 1" && !kept.contains("acme/b-1005 1"))
        }
    }

    /// Sessions of which anyone may begin one drive nothing of CI's out of the same workspace.
    @Test func sessionsTakeNoPlaceOfCIs() async throws {
        try await withStore(HistoryLimits(ofWorkspace: 60)) { store in
            try store.keep(buildReport(0, memory: 9), of: "acme")
            try store.keep(buildReport(1, .failed), of: "acme")
            for build in 100...170 {
                try store.keep(buildReport(build, memory: 1), of: "acme", toldBy: .dev)
                try store.keep(buildReport(1000 + build, .failed), of: "acme", toldBy: .dev)
            }
            #expect(try store.history(of: "acme", toldBy: [.ci]).memoryMBP95 == 9)
            let kept = try pages(store, workspace: "acme")
            #expect(kept.count == 122 && kept.suffix(2) == ["acme/b-1 1", "acme/b-0 1"])
        }
    }

    @Test func reportsGrowOld() async throws {
        let day = 24 * 3_600_000
        try await withStore(HistoryLimits(days: 2)) { store in
            try store.keep(buildReport(1), of: "acme", at: 1000)
            try store.keep(buildReport(2), of: "acme", at: 3000)
            try store.forgetReports(at: 2 * day + 1000)
            #expect(try pages(store) == ["acme/b-2 1", "acme/b-1 1"])
            try store.forgetReports(at: 2 * day + 1001)
            #expect(try pages(store) == ["acme/b-2 1"])
        }
        #expect(HistoryLimits().days == 90 && HistoryLimits().reports == 100_000)
    }

    /// Also where so many go that it takes several rounds.
    @Test func allTogetherHaveALimit() async throws {
        try await withTemporaryFolder(inMemory: true) { folder in
            let path = folder.appending(path: "store").path
            func open() throws -> Store { try Store(path: path, limits: HistoryLimits(reports: 3)) }
            _ = try open()
            var connection = try SQLiteConnection(path: path)
            try connection.script(
                """
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2503)
                INSERT INTO metrics (workspace, build_id, attempt, outcome, duration_seconds, kept_at)
                    SELECT 'acme', 'b-' || i, 1, 'succeeded', 1, 5000 FROM n
                """)
            connection.close()
            let store = try open()
            try store.forgetReports(at: 6000)
            #expect(try pages(store) == ["acme/b-2503 1", "acme/b-2502 1", "acme/b-2501 1"])
        }
    }

    /// What a client may tell is bounded in bytes, whatever it calls its things.
    @Test func whatIsTooLongIsLeftOut() async throws {
        try await withStore { store in
            // One character of very many bytes.
            let monster = "a" + String(repeating: "\u{301}", count: 10_000)
            var report = buildReport(1)
            (report.runnerID, report.tier, report.errorCode, report.volumeState) = (monster, monster, monster, monster)
            report.artifacts = ["app", monster, "web"]
            report.timingsMS = [monster: 1]
            try store.keep(report, of: "acme")
            let kept = try #require(try store.builds(seenBy: everything, limit: 1).builds.first?.attempts.first?.report)
            var expected = buildReport(1)
            expected.artifacts = ["app"]
            #expect(kept == expected)
        }
    }

    /// 100,000 reports, each as large as one can be.
    @Test func theStoreStaysSmall() async throws {
        try await withTemporaryFolder(inMemory: true) { folder in
            let path = folder.appending(path: "store").path
            _ = try Store(path: path)
            var connection = try SQLiteConnection(path: path)
            let name = String(repeating: "n", count: 64)
            let word = String(repeating: "w", count: 32)
            let (artifacts, timings) = (String(repeating: "a", count: 320), String(repeating: "t", count: 192))
            // A build's id may have 64 characters of up to 4 bytes.
            let unique = "substr('\(String(repeating: "\u{1F600}", count: 64))', 1, 58) || printf('%06d', i)"
            try connection.script("PRAGMA cache_size = -400000; PRAGMA synchronous = OFF")
            for slice in 0..<101 {
                try connection.script(
                    """
                    WITH RECURSIVE n(i) AS (SELECT \(slice * 1000) UNION ALL SELECT i + 1 FROM n
                        WHERE i < \(slice * 1000 + 999))
                    INSERT INTO metrics (workspace, build_id, attempt, runner_id, tier, outcome, cpu_peak,
                        memory_mb_peak, duration_seconds, kept_at, volume_state, kept, steps_total, steps_cached,
                        artifacts, image_bytes, error_code, timings_ms, cpu, memory_mb)
                    SELECT substr('\(name)', 1, 60) || i % 100, \(unique), 1, '\(name)', '\(name)',
                        CASE i % 2 WHEN 1 THEN 'succeeded' ELSE 'timed_out' END, 1.25, 12345.5, 1234.5, 1764300000000,
                        '\(word)', 1, 123456, 123456, '\(artifacts)', 123456789012, '\(word)', '\(timings)', 256,
                        2097152
                    FROM n
                    """)
            }
            connection.close()
            let store = try Store(path: path)
            try store.forgetReports(at: 1_764_300_000_000)
            #expect(try store.builds(seenBy: everything, limit: 500).builds.count == 500)
            let bytes = try ["store", "store-wal"].reduce(0) { sum, name in
                let file = folder.appending(path: name)
                return try sum + (file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0)
            }
            #expect(bytes > 100 << 20 && bytes < 200_000_000, "\(bytes)")
        }
    }

    // MARK: Looking back

    @Test func everythingThatWasToldIsKept() async throws {
        try await withFleet { fixture in
            let runner = try fixture.ready("key-1")
            var report = buildReport(1, .oom, cpu: 1.5, memory: 2.5, seconds: 3)
            (report.runnerID, report.tier) = (runner, "cx22")
            (report.volumeState, report.kept, report.stepsTotal, report.stepsCached) = ("warm", false, 7, 3)
            (report.artifacts, report.imageBytes, report.errorCode) = (["app", "web"], 99, "out_of_memory")
            report.timingsMS = ["sync": 12, "build": 3400]
            #expect(try fixture.store.keep(report, of: "acme", at: 1_764_300_000_000))
            #expect(try !fixture.store.keep(report, of: "acme", at: 1_764_300_000_001))
            // Another workspace learns nothing of that runner by its id.
            try fixture.store.keep(report, of: "other")
            for (workspace, cpu, memory) in [("acme", 2, 4096), ("other", nil, nil)] as [(String, Int?, Int?)] {
                let page = try fixture.store.builds(seenBy: everything, workspace: workspace, limit: 10)
                let build = try #require(page.builds.first)
                #expect(build.buildID == "b-1" && build.workspace == workspace)
                let attempt = try #require(build.attempts.first)
                #expect(attempt.report == report && attempt.cpu == cpu && attempt.memoryMB == memory)
                if workspace == "acme" { #expect(attempt.recordedAt == UTCTime(milliseconds: 1_764_300_000_000)) }
            }
        }
    }

    /// A reader of pages sees each build once, while others are added and builds of long ago have further attempts.
    @Test func pagesStandStill() async throws {
        try await withStore { store in
            for build in 1...7 { try store.keep(buildReport(build, .oom), of: "acme") }
            try store.keep(buildReport(3, attempt: 2), of: "acme")
            #expect(try pages(store, limit: 3) == pages(store))
            let first = try store.builds(seenBy: everything, before: nil, limit: 3)
            #expect(first.builds.map(\.buildID) == ["b-7", "b-6", "b-5"])
            try store.keep(buildReport(8), of: "acme")
            try store.keep(buildReport(2, attempt: 2), of: "acme")
            let second = try store.builds(seenBy: everything, before: first.next, limit: 3)
            #expect(second.builds.map(\.buildID) == ["b-4", "b-3", "b-2"])
            #expect(second.builds[1].attempts.map(\.report.attempt) == [1, 2])
            #expect(second.builds[2].attempts.map(\.report.outcome) == [.oom, .succeeded])
            let third = try store.builds(seenBy: everything, before: second.next, limit: 3)
            #expect(third.builds.map(\.buildID) == ["b-1"] && third.next == nil)
            // A page that is just full is the last one.
            let last = try store.builds(seenBy: everything, before: second.next, limit: 1)
            #expect(last.builds.count == 1 && last.next == nil)
        }
    }

    @Test func othersDoNotCount() async throws {
        try await withStore { store in
            let names = ["acme", "acme-2", "other", "team-a", "team-b", "teamx"]
            for build in 1...4 {
                for name in names { try store.keep(buildReport(build), of: name) }
            }
            for (patterns, seen) in [
                (["acme"], ["acme"]), (["team-*"], ["team-a", "team-b"]),
                (["acme", "team*"], ["acme", "team-a", "team-b", "teamx"]), (["none"], []), ([], []), (["*"], names),
            ] as [([String], [String])] {
                let token = try AccessTests.token("t", .read, patterns)
                for limit in 1...5 {
                    let found = try pages(store, by: token, limit: limit)
                    #expect(found.count == seen.count * 4 && Set(found).count == found.count)
                    #expect(Set(found.map { $0.prefix { $0 != "/" } }) == Set(seen.map { $0[...] }), "\(patterns)")
                }
                #expect(try Set(store.workspaces(seenBy: token, limit: 9)) == Set(seen))
            }
            #expect(try pages(store, workspace: "other", limit: 3) == (1...4).reversed().map { "other/b-\($0) 1" })
            #expect(try store.workspaces(seenBy: everything, limit: 2) == ["teamx", "team-b"])
        }
    }

    /// A page is read by indexes, among very many reports as among few, and of one's own workspaces alone.
    @Test(arguments: [["*"], ["acme"], ["team-*"], ["acme", "team-*"]])
    func aPageIsNoLookAtEverything(patterns: [String]) async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "store").path
            _ = try Store(path: path)
            var connection = try SQLiteConnection(path: path)
            let token = try AccessTests.token("t", .read, patterns)
            for scope in [Store.scope(of: token, nil), Store.scope(of: token, "acme")] {
                let plan = try connection.query(
                    "EXPLAIN QUERY PLAN \(Store.firstReports(in: scope))", scope.values + [.integer(9), .integer(9)]
                ) { $0.text(3) }
                #expect(plan.contains { $0.contains("earlier") && $0.contains("workspace=? AND build_id=?") })
                #expect(!plan.contains { $0.contains("SCAN") }, "\(plan)")
                let reports = plan.filter { $0.contains("SEARCH report") }
                #expect(!reports.isEmpty)
                if token.seesAll { continue }
                #expect(reports.allSatisfy { $0.contains("workspace") }, "\(plan)")
            }
            connection.close()
        }
    }

    // MARK: Through the API

    @Test func pagesByTheAPI() async throws {
        try await withFleet { fixture in
            let routes = fixture.routes
            let reader = try AccessTests.token("reader", .read)
            let writer = try AccessTests.token("writer", .build)
            for build in 1...3 {
                let report = buildReport(build).json
                let told = await ask(routes, "POST", "/api/v1/workspaces/acme/metrics", by: writer, body: report)
                #expect(told.status == 202)
                try fixture.store.keep(buildReport(build), of: "other")
            }
            func page(_ query: String) async throws -> (status: Int, data: JSONValue) {
                let answer = await ask(routes, "GET", "/api/v1/builds\(query)", by: reader)
                return (answer.status, try JSONValue.parse(answer.body)["data"] ?? .null)
            }
            let first = try await page("?limit=2")
            #expect(first.data["builds"]?.arrayValue?.map { $0["build_id"] } == ["b-3", "b-2"])
            let next = try #require(first.data["next"]?.stringValue)
            let second = try await page("?limit=2&before=\(next)&workspace=acme")
            #expect(second.data["builds"]?.arrayValue?.map { $0["build_id"] } == ["b-1"])
            #expect(second.data["next"] == .null)
            // A position that is given out tells nothing of how many there are.
            #expect(next.count <= 200 && next != first.data["builds"]?.encoded())
            for bad in [
                "?before=", "?before=1", "?before=\(String(repeating: "0", count: 32))", "?before=\(next)0",
                "?before=\(String(next.dropFirst(2)))", "?before=\(next)&before=\(next)", "?limit=0", "?limit=501",
                "?limit=-1", "?limit=", "?limit=2.0", "?workspace=A",
            ] {
                let answer = try await page(bad)
                #expect(answer.status == 400 && answer.data == .null, "\(bad)")
            }
            #expect(try await page("?workspace=other").status == 403)
        }
    }

    @Test func positionsAreReadByWhoGaveThem() {
        let positions = Positions()
        for position in [0, 1, 255, 256, 1 << 40, Int.max] {
            #expect(positions.position(positions.text(position)) == position)
            #expect(Positions().position(positions.text(position)) == nil)
        }
    }
}

func buildReport(
    _ build: Int, attempt: Int = 1, _ outcome: AttemptOutcome = .succeeded, cpu: Double? = nil,
    memory: Double? = nil, seconds: Double = 1
) -> MetricsReport {
    MetricsReport(
        buildID: "b-\(build)", attempt: attempt, runnerID: nil, tier: nil, outcome: outcome, cpuPeak: cpu,
        memoryMBPeak: memory, durationSeconds: seconds)
}
