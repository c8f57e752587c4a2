import Foundation
import LianModel
import LianTestSupport
import Testing

@testable import LianOrchestrator

@Suite struct StoreTests {
    private func withStore<Result>(_ body: (Store, String) async throws -> Result) async throws -> Result {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "store").path
            return try await body(try Store(path: path), path)
        }
    }

    private func metrics(
        _ build: Int, attempt: Int = 1, _ outcome: AttemptOutcome = .succeeded, cpu: Double? = nil,
        memory: Double? = nil,
        seconds: Double = 1
    ) -> MetricsReport {
        MetricsReport(
            buildID: "b-\(build)", attempt: attempt, runnerID: nil, tier: nil, outcome: outcome, cpuPeak: cpu,
            memoryMBPeak: memory, durationSeconds: seconds)
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
        try await withStore { store, _ in
            #expect(try store.history(of: "acme") == UsageHistory(workspace: "acme", samples: 0))
            for build in 1...60 {
                try store.keep(metrics(build, cpu: Double(build), seconds: Double(build)), of: "acme")
            }
            try store.keep(metrics(61, .failed, cpu: 1000), of: "acme")
            try store.keep(metrics(62, cpu: 1000), of: "other")
            let history = try store.history(of: "acme")
            // 11 to 60, of which the 48th is 58.
            #expect(
                history
                    == UsageHistory(
                        workspace: "acme", samples: 50, cpuP95: 58, memoryMBP95: nil, durationSecondsP95: 58))
        }
    }

    @Test func metricsAreKeptOncePerAttempt() async throws {
        try await withStore { store, _ in
            try store.keep(metrics(1, seconds: 5), of: "acme")
            try store.keep(metrics(1, seconds: 9), of: "acme")
            try store.keep(metrics(1, attempt: 2, seconds: 7), of: "acme")
            let history = try store.history(of: "acme")
            #expect(history.samples == 2)
            #expect(history.durationSecondsP95 == 7)
        }
    }

    @Test func everythingOutlivesTheProcess() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "store").path
            func keep() throws { try Store(path: path).keep(metrics(1, memory: 3.5), of: "acme") }
            try keep()
            let again = try Store(path: path)
            #expect(try again.history(of: "acme").memoryMBP95 == 3.5)
        }
    }

    @Test func oneHasTheStore() async throws {
        try await withStore { store, path in
            #expect(throws: StoreError.self) { try Store(path: path) }
            let history = try store.history(of: "acme")
            #expect(history.samples == 0)
        }
    }

    @Test func aWorkspaceKeepsItsLastReports() async throws {
        try await withTemporaryFolder(inMemory: true) { folder in
            let path = folder.appending(path: "store").path
            func keepMany() throws {
                let store = try Store(path: path)
                try store.keep(metrics(0, seconds: 9), of: "other")
                for build in 1...(Store.reportsOfWorkspace + 5) {
                    try store.keep(metrics(build), of: "acme")
                    try store.keep(metrics(-build, .failed), of: "acme")
                }
                #expect(try store.history(of: "acme").samples == Store.historyLength)
                #expect(try store.history(of: "other").durationSecondsP95 == 9)
            }
            try keepMany()
            var connection = try SQLiteConnection(path: path)
            let kept = try connection.query(
                """
                SELECT outcome, count(*), min(abs(substr(build_id, 3))) FROM metrics WHERE workspace = 'acme'
                GROUP BY outcome ORDER BY outcome
                """, []
            ) { "\($0.text(0)) \($0.integer(1)) from \($0.integer(2))" }
            connection.close()
            let count = Store.reportsOfWorkspace
            #expect(kept == ["failed \(count) from 6", "succeeded \(count) from 6"])
        }
    }

    @Test func reportsGrowOld() async throws {
        try await withStore { store, _ in
            try store.keep(metrics(1), of: "acme", at: 1000)
            try store.keep(metrics(2), of: "acme", at: 3000)
            try store.forgetMetrics(at: Store.reportsAge + 2000)
            #expect(try store.history(of: "acme").samples == 1)
        }
    }

    /// The store of an earlier version, with what is in it.
    @Test func anOlderStoreIsGrown() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "store").path
            var connection = try SQLiteConnection(path: path)
            try connection.script(storeMigrations[0])
            try connection.script(
                """
                PRAGMA user_version = 1;
                INSERT INTO runners VALUES ('r-1', 'key-1', '{}', 'acme', 'local', NULL, 1, 512, 60, 'gone', 'test',
                    NULL, 'boot-1', 1, 2, 5000, 1);
                INSERT INTO metrics VALUES (1, 'acme', 'b-1', 1, NULL, NULL, 'succeeded', 1, 2, 3);
                """)
            connection.close()
            let store = try Store(path: path)
            #expect(try store.history(of: "acme").samples == 1)
            let record = try #require(try store.runner("r-1"))
            #expect(record.goneAt == Moment(bootID: "", sinceBoot: 0, wallClock: 5000))
            let late = Moment(bootID: "boot-2", sinceBoot: 3_600_000, wallClock: 9000)
            try store.forgetRunners(goneFor: 4001, at: late)
            #expect(try store.runner("r-1") != nil)
            try store.forgetRunners(goneFor: 4000, at: late)
            #expect(try store.runner("r-1") == nil)
        }
    }

    @Test func aStoreOfVersionTwoTakesVolumes() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "store").path
            var connection = try SQLiteConnection(path: path)
            for script in storeMigrations.prefix(2) { try connection.script(script) }
            try connection.script(
                """
                PRAGMA user_version = 2;
                INSERT INTO runners VALUES ('r-1', 'key-1', '{}', 'acme', 'local', NULL, 1, 512, 60, 'gone', 'test',
                    NULL, 'boot-1', 1, 2, 5000, 1, 'boot-1', 70);
                """)
            connection.close()
            var books = VolumeBooks()
            let name = try #require(VolumeName("ci/acme/app"))
            let engine = EngineKind(name: "buildkit 0.32", layout: "overlayfs")
            do {
                let store = try Store(path: path)
                #expect(try store.runner("r-1")?.goneAt?.sinceBoot == 70)
                #expect(try store.volumeBooks() == books)
                for (id, state) in [("r-1", VolumeGeneration.State.old), ("r-2", .head)] {
                    books.generations[id] = VolumeGeneration(
                        id: id, name: name, workspace: "acme", number: 1, engine: engine, platform: "linux/amd64",
                        provider: "local", bytes: 2, executedMS: 3, createdAt: 4,
                        used: Moment(bootID: "boot-1", sinceBoot: 5, wallClock: 6), state: state)
                }
                for (id, answer) in [("r-3", nil), ("r-4", KeptVolume.kept(name, generation: 1, bytes: 2))] {
                    books.lendings[id] = VolumeLending(
                        runnerID: id, workspace: "acme", generation: "r-2", to: answer.map { _ in name }, head: 1,
                        engine: engine, platform: "linux/amd64", answer: answer)
                }
                try store.record(books, insteadOf: VolumeBooks())
            }
            var next = books
            next.generations["r-1"]?.state = .head
            next.generations["r-2"] = nil
            next.lendings["r-3"] = nil
            do {
                let store = try Store(path: path)
                #expect(try store.volumeBooks() == books)
                try store.record(next, insteadOf: books)
            }
            #expect(try Store(path: path).volumeBooks() == next)
        }
    }

    @Test func aNewerStoreIsRefused() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "store").path
            var connection = try SQLiteConnection(path: path)
            try connection.script("PRAGMA user_version = 99")
            connection.close()
            let error = #expect(throws: StoreError.self) { try Store(path: path) }
            #expect(error?.description.contains("newer version (99)") == true)
        }
    }
}
