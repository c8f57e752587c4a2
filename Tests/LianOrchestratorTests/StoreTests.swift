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

    @Test func everythingOutlivesTheProcess() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "store").path
            func keep() throws { try Store(path: path).keep(buildReport(1, memory: 3.5), of: "acme") }
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
            for (request, isSame) in [("{}", true), ("{ }", false)] {
                let admission = try store.admit(record, key: "key-1", request: request, obstacle: nil)
                #expect(admission == .known(record, sameRequest: isSame))
            }
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
                        used: Moment(bootID: "boot-1", sinceBoot: 5, wallClock: 6), state: state,
                        place: state == .head ? .elsewhere("far") : .machine)
                }
                for (id, answer) in [("r-3", nil), ("r-4", KeptVolume.kept(name, generation: 1, bytes: 2))] {
                    books.lendings[id] = VolumeLending(
                        runnerID: id, workspace: "acme", generation: "r-2", to: answer.map { _ in name }, head: 1,
                        engine: engine, platform: "linux/amd64", answer: answer,
                        place: answer == nil ? .machine : .elsewhere("far"))
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

    /// There were volumes of the orchestrator's own machine alone.
    @Test func volumesOfAStoreOfVersionThreeAreOfThisMachine() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "store").path
            var connection = try SQLiteConnection(path: path)
            for script in storeMigrations.prefix(3) { try connection.script(script) }
            try connection.script(
                """
                PRAGMA user_version = 3;
                INSERT INTO volume_generations VALUES ('r-1', 'ci/acme/app', 'acme', 1, 'e', 'l', 'linux/amd64', 'here',
                    2, 3, 4, 5, 'boot-1', 6, 'head');
                INSERT INTO volume_lendings VALUES ('r-2', 'acme', 'r-1', NULL, 1, 'e', 'l', 'linux/amd64', NULL);
                """)
            connection.close()
            let books = try Store(path: path).volumeBooks()
            #expect(books.generations["r-1"]?.place == .machine && books.lendings["r-2"]?.place == .machine)
        }
    }

    @Test func runnersThatAreGoneHaveALimit() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "store").path
            _ = try Store(path: path)
            var connection = try SQLiteConnection(path: path)
            // Gone for one to eight half hours, and one that is there.
            try connection.script(
                """
                WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 8)
                INSERT INTO runners (id, idempotency_key, request, workspace, provider, cpu, memory_mb, lease_seconds,
                    state, boot_id, lease_ends, life_ends, gone_at, gone_since_boot, gone_boot_id, torn_down)
                SELECT 'r-' || i, 'key-' || i, '', 'acme', 'local', 1, 512, 60, iif(i = 0, 'ready', 'gone'), 'boot-1',
                    1, 2, iif(i = 0, NULL, 90000000 - i * 1800000), 90000000 - i * 1800000, 'boot-1', i > 0 FROM n
                """)
            connection.close()
            let store = try Store(path: path)
            let now = Moment(bootID: "boot-1", sinceBoot: 90_000_000, wallClock: 90_000_000)
            func left() throws -> [Int] { try (0...8).filter { try store.runner("r-\($0)") != nil } }
            try store.forgetRunners(goneFor: 172_800_000, at: now, keeping: 5)
            #expect(try left() == [0, 1, 2, 3, 4, 5])
            try store.forgetRunners(goneFor: 172_800_000, at: now, keeping: 0)
            #expect(try left() == [0, 1])
        }
    }

    /// Its key is remembered for two days, and a client may ask for very many runners in that time.
    @Test func ofARequestItsHashIsKept() async throws {
        try await withFleet { fixture in
            var order = fleetOrder()
            order.labels = ["note": String(repeating: "long-label ", count: 1000)]
            guard case .created = try fixture.fleet.spawn(order, key: "key-1", by: .ofAll("secret")),
                case .known = try fixture.fleet.spawn(order, key: "key-1", by: .ofAll("secret"))
            else { throw NotCreated() }
            order.labels = ["note": "another"]
            guard case .keyIsTaken = try fixture.fleet.spawn(order, key: "key-1", by: .ofAll("secret")) else {
                throw NotCreated()
            }
            for name in ["store", "store-wal"] {
                let bytes = try Data(contentsOf: fixture.folder.appending(path: name))
                #expect(bytes.range(of: Data("long-label".utf8)) == nil, "\(name)")
            }
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
