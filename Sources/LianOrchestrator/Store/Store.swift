import LianModel
import Synchronization

/// What the orchestrator remembers, in SQLite: the truth about runners and metrics. Every change is on disk when its
/// call returns.
package final class Store: Sendable {
    private let writer: Mutex<SQLiteConnection>
    /// Reads go by a connection of their own: in WAL mode they do not wait for a write that waits for the disk.
    private let reader: Mutex<SQLiteConnection>

    package init(path: String) throws(StoreError) {
        var writing = try SQLiteConnection(path: path)
        try writing.script("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        try Self.migrate(&writing)
        let reading = try SQLiteConnection(path: path)
        try reading.script("PRAGMA query_only = 1")
        writer = Mutex(writing)
        reader = Mutex(reading)
    }

    deinit {
        writer.withLock { $0.close() }
        reader.withLock { $0.close() }
    }

    private static func migrate(_ connection: inout SQLiteConnection) throws(StoreError) {
        try connection.transaction { (connection) throws(StoreError) in
            let done = try connection.query("PRAGMA user_version", []) { $0.integer(0) }.first ?? 0
            guard done <= storeMigrations.count else {
                throw StoreError(
                    description: "the store is of a newer version (\(done)) than this program knows "
                        + "(\(storeMigrations.count))")
            }
            for script in storeMigrations.dropFirst(done) { try connection.script(script) }
            try connection.script("PRAGMA user_version = \(storeMigrations.count)")
        }
    }
}

// MARK: - Runners

extension Store {
    package enum Admission: Equatable, Sendable {
        case admitted
        case known(RunnerRecord, sameRequest: Bool)
        case full
    }

    /// Takes the runner in, or says why not, in one step: of two requests with one key only one is admitted.
    package func admit(
        _ record: RunnerRecord, key: String, request: String, capacity: Int
    ) throws(StoreError) -> Admission {
        try writer.withLock { (connection) throws(StoreError) in
            try connection.transaction { (connection) throws(StoreError) -> Admission in
                let known = try connection.query(
                    "SELECT \(Self.columns), request FROM runners WHERE idempotency_key = ?", [.text(key)]
                ) { (Self.record($0), $0.text(Self.columnCount)) }
                if let (record, knownRequest) = known.first {
                    return .known(record, sameRequest: knownRequest == request)
                }
                let standing = try connection.query("SELECT count(*) FROM runners WHERE torn_down = 0", []) {
                    $0.integer(0)
                }
                guard standing.first ?? 0 < capacity else { return .full }
                try connection.execute(
                    """
                    INSERT INTO runners (id, idempotency_key, request, workspace, provider, tier, cpu, memory_mb,
                        lease_seconds, state, boot_id, lease_ends, life_ends)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                    [
                        .text(record.id), .text(key), .text(request), .text(record.workspace), .text(record.provider),
                        SQLiteValue(record.size.tier), .integer(record.size.cpu),
                        .integer(record.size.memoryMB), .integer(record.leaseSeconds),
                        .text(record.state.rawValue), .text(record.bootID), .integer(record.leaseEnds),
                        .integer(record.lifeEnds),
                    ])
                return .admitted
            }
        }
    }

    package func runner(_ id: String) throws(StoreError) -> RunnerRecord? {
        try read("SELECT \(Self.columns) FROM runners WHERE id = ?", [.text(id)], Self.record).first
    }

    /// Those that are not gone.
    package func runners(of workspace: String?) throws(StoreError) -> [RunnerRecord] {
        try read(
            """
            SELECT \(Self.columns) FROM runners
            WHERE (torn_down = 0 OR state <> 'gone') AND state <> 'gone' AND (?1 IS NULL OR workspace = ?1) ORDER BY id
            """, [SQLiteValue(workspace)], Self.record)
    }

    /// Those that something may be left of on the machine, and those that still wait for their lease to end.
    package func unfinished() throws(StoreError) -> [RunnerRecord] {
        try read(
            "SELECT \(Self.columns) FROM runners WHERE torn_down = 0 OR state <> 'gone' ORDER BY id", [],
            Self.record)
    }

    /// False where it is no longer pending: someone has destroyed it meanwhile.
    package func becameReady(_ id: String, at place: RunnerPlace) throws(StoreError) -> Bool {
        try write(
            "UPDATE runners SET state = 'ready', place = ? WHERE id = ? AND state = 'pending'",
            [.text(place.json.encoded()), .text(id)]) == 1
    }

    /// A runner that is gone stays gone.
    package func becameFailed(_ id: String, reason: String) throws(StoreError) {
        try write(
            "UPDATE runners SET state = 'failed', reason = ?, place = NULL WHERE id = ? AND state <> 'gone'",
            [.text(reason), .text(id)])
    }

    /// The first reason stays.
    package func becameGone(_ id: String, reason: String, at time: Int) throws(StoreError) {
        try write(
            """
            UPDATE runners SET state = 'gone', reason = ?, place = NULL, gone_at = ? WHERE id = ? AND state <> 'gone'
            """, [.text(reason), .integer(time), .text(id)])
    }

    package func becameTornDown(_ id: String) throws(StoreError) {
        try write("UPDATE runners SET torn_down = 1 WHERE id = ?", [.text(id)])
    }

    /// False where the runner is neither pending nor ready, or its time was up before.
    package func renewLease(_ id: String, until end: Int, at now: Int) throws(StoreError) -> Bool {
        try write(
            """
            UPDATE runners SET lease_ends = ?
            WHERE id = ? AND state IN ('pending', 'ready') AND lease_ends > ? AND life_ends > ?
            """, [.integer(end), .text(id), .integer(now), .integer(now)]) == 1
    }

    /// Forgets the runners that have been gone since before the given time, their keys with them.
    package func forgetRunners(goneBefore time: Int) throws(StoreError) {
        try write("DELETE FROM runners WHERE torn_down = 1 AND gone_at < ?", [.integer(time)])
    }

    private static let columns = """
        id, workspace, provider, tier, cpu, memory_mb, lease_seconds, state, reason, place, boot_id, lease_ends,
        life_ends, gone_at, torn_down
        """
    private static let columnCount: Int32 = 15

    private static func record(_ row: SQLiteRow) -> RunnerRecord {
        RunnerRecord(
            id: row.text(0), workspace: row.text(1), provider: row.text(2),
            size: WireSize(tier: row.optionalText(3), cpu: row.integer(4), memoryMB: row.integer(5)),
            leaseSeconds: row.integer(6), state: RunnerState(rawValue: row.text(7)) ?? .failed,
            reason: row.optionalText(8), place: row.optionalText(9).flatMap(RunnerPlace.init(json:)),
            bootID: row.text(10), leaseEnds: row.integer(11), lifeEnds: row.integer(12),
            goneAt: row.optionalInteger(13), isTornDown: row.integer(14) != 0)
    }
}

extension RunnerPlace: JSONEncodable {
    package var json: JSONValue {
        [
            "host": .string(host), "port": .integer(port), "user": .string(user), "host_keys": hostKeys.json,
            "work_dir": .string(workDir), "buildkit_addr": buildkitAddress.json,
        ]
    }

    /// nil where the text is not what `json` writes.
    fileprivate init?(json text: String) {
        guard let json = try? JSONValue.parse(text), let host = json["host"]?.stringValue,
            let port = json["port"]?.intValue, let user = json["user"]?.stringValue,
            let keys = json["host_keys"]?.arrayValue, let workDir = json["work_dir"]?.stringValue
        else { return nil }
        self.init(
            host: host, port: port, user: user, hostKeys: keys.compactMap(\.stringValue), workDir: workDir,
            buildkitAddress: json["buildkit_addr"]?.stringValue)
    }
}

// MARK: - Metrics

extension Store {
    /// How many successful builds P95 looks back on.
    package static let historyLength = 50

    /// Kept once: the same build and attempt again changes nothing.
    package func keep(_ metrics: MetricsReport, of workspace: String) throws(StoreError) {
        try write(
            """
            INSERT INTO metrics (workspace, build_id, attempt, runner_id, tier, outcome, cpu_peak, memory_mb_peak,
                duration_seconds)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            [
                .text(workspace), .text(metrics.buildID), .integer(metrics.attempt),
                SQLiteValue(metrics.runnerID), SQLiteValue(metrics.tier), .text(metrics.outcome.rawValue),
                SQLiteValue(metrics.cpuPeak), SQLiteValue(metrics.memoryMBPeak), .real(metrics.durationSeconds),
            ])
    }

    package func history(of workspace: String) throws(StoreError) -> UsageHistory {
        let builds = try read(
            """
            SELECT cpu_peak, memory_mb_peak, duration_seconds FROM metrics
            WHERE workspace = ? AND outcome = 'succeeded' ORDER BY sequence DESC LIMIT \(Self.historyLength)
            """, [.text(workspace)]
        ) { (cpu: $0.optionalReal(0), memory: $0.optionalReal(1), duration: $0.optionalReal(2)) }
        return UsageHistory(
            workspace: workspace, samples: builds.count, cpuP95: nearestRankP95(builds.compactMap(\.cpu)),
            memoryMBP95: nearestRankP95(builds.compactMap(\.memory)),
            durationSecondsP95: nearestRankP95(builds.compactMap(\.duration)))
    }
}

/// The smallest sample that at least 95 % of them do not exceed; nil where there are none.
package func nearestRankP95(_ samples: [Double]) -> Double? {
    guard !samples.isEmpty else { return nil }
    return samples.sorted()[(samples.count * 95 + 99) / 100 - 1]
}

extension Store {
    private func read<Result: Sendable>(
        _ sql: String, _ values: [SQLiteValue], _ body: @Sendable (SQLiteRow) -> Result
    ) throws(StoreError) -> [Result] {
        try reader.withLock { (connection) throws(StoreError) in try connection.query(sql, values, body) }
    }

    @discardableResult
    private func write(_ sql: String, _ values: [SQLiteValue]) throws(StoreError) -> Int {
        try writer.withLock { (connection) throws(StoreError) in try connection.execute(sql, values) }
    }
}
