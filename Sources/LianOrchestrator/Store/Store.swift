import LianModel
import LianSystem
import Synchronization

/// What the orchestrator remembers, in SQLite: runners, keys and metrics. Every change is on disk when its call
/// returns.
package final class Store: Sendable {
    private let connection: Mutex<SQLiteConnection>
    private let meters: Meters
    let path: String
    let limits: HistoryLimits
    /// Why no disk space could be reserved; nil where it was.
    package let missingReserve: SystemError?

    /// How far the store can grow on a full disk: the first is for its rows, the second for the log of every change to
    /// a row. The log is written into the store, and begun anew, whenever it has 256 pages of 4 KiB.
    private static let reserve = 1 << 20
    private static let logReserve = 2 << 20

    package init(
        path: String, limits: HistoryLimits = HistoryLimits(), meters: Meters = Meters()
    ) throws(StoreError) {
        var problem: SystemError?
        do {
            // Done before SQLite opens the file: closing the file here later would release SQLite's lock.
            try reserveSpace(in: path, beyondItsEnd: Self.reserve)
        } catch {
            problem = error
        }
        var connection = try SQLiteConnection(path: path)
        // Only one orchestrator uses the store, so the log's index can be in memory. As a file beside the store it
        // would have to be written before anything could be read.
        try connection.script(
            """
            PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            PRAGMA wal_autocheckpoint = 256
            """)
        try connection.keepLog()
        try Self.migrate(&connection)
        do {
            try reserveSpace(in: "\(path)-wal", beyondItsEnd: Self.logReserve)
        } catch {
            problem = error
        }
        missingReserve = problem
        self.connection = Mutex(connection)
        self.path = path
        self.limits = limits
        self.meters = meters
    }

    deinit {
        connection.withLock { $0.close() }
    }

    private static func migrate(_ connection: inout SQLiteConnection) throws(StoreError) {
        let done = try connection.query("PRAGMA user_version", []) { $0.integer(0) }.first ?? 0
        guard done <= storeMigrations.count else {
            throw StoreError(
                description: "the store is of a newer version (\(done)) than this program knows "
                    + "(\(storeMigrations.count))")
        }
        // Nothing is written without need, because the disk may be full.
        guard done < storeMigrations.count else { return }
        try connection.transaction { (connection) throws(StoreError) in
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
        case refused(Obstacle)
    }

    /// Why there can be no further runner now.
    package enum Obstacle: Equatable, Sendable {
        /// All that this orchestrator may have are taken.
        case capacity
        /// All that the token may have are.
        case quota
        /// All that its provider may have are: the second is how many these are.
        case provider(String, limit: Int)
    }

    /// Takes the runner in, or says why not, in one step: of two requests with the same key only one is admitted. Of the
    /// request its hash is kept, since a key is remembered for long after its runner.
    /// Where the machine is there already, this is its row from now on.
    package func admit(
        _ record: RunnerRecord, key: String, request: String, obstacle: Obstacle?, takingOver isThere: Bool = false
    ) throws(StoreError) -> Admission {
        let fingerprint = "sha256:" + hexadecimal(sha256(Array(request.utf8)))
        return try transaction { (connection) throws(StoreError) -> Admission in
            let known = try connection.query(
                "SELECT \(Self.columns), request FROM runners WHERE idempotency_key = ?", [.text(key)]
            ) { (Self.record($0), $0.text(Self.columnCount)) }
            if let (record, knownRequest) = known.first {
                // An earlier version has kept the request itself.
                return .known(record, sameRequest: [fingerprint, request].contains(knownRequest))
            }
            if let obstacle { return .refused(obstacle) }
            if isThere { try connection.execute("DELETE FROM runners WHERE id = ?", [.text(record.id)]) }
            try connection.execute(
                """
                INSERT INTO runners (id, idempotency_key, request, workspace, provider, tier, cpu, memory_mb,
                    lease_seconds, state, boot_id, lease_ends, life_ends, token, build_id, attempt, begun,
                    provider_kind, standby)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    .text(record.id), .text(key), .text(fingerprint), .text(record.workspace), .text(record.provider),
                    SQLiteValue(record.size.tier), .integer(record.size.cpu),
                    .integer(record.size.memoryMB), .integer(record.leaseSeconds),
                    .text(record.state.rawValue), .text(record.bootID), .integer(record.leaseEnds),
                    .integer(record.lifeEnds), SQLiteValue(record.token), SQLiteValue(record.buildID),
                    SQLiteValue(record.attempt), SQLiteValue(record.begun),
                    SQLiteValue(record.providerKind), SQLiteValue(record.standby?.json.encoded()),
                ])
            return .admitted
        }
    }

    /// Whether there is a runner by that key, or was one that is remembered.
    package func knows(key: String) throws(StoreError) -> Bool {
        try !read("SELECT 1 FROM runners WHERE idempotency_key = ?", [.text(key)]) { _ in true }.isEmpty
    }

    package func runner(_ id: String) throws(StoreError) -> RunnerRecord? {
        try read("SELECT \(Self.columns) FROM runners WHERE id = ?", [.text(id)], Self.record).first
    }

    /// The runners that may have left something on the machine, and those whose lease has not ended.
    package func unfinished() throws(StoreError) -> [RunnerRecord] {
        try read(
            "SELECT \(Self.columns) FROM runners WHERE torn_down = 0 OR state <> 'gone' ORDER BY id", [],
            Self.record)
    }

    /// Writes those fields of a runner that can change.
    package func save(_ record: RunnerRecord) throws(StoreError) {
        try write(
            """
            UPDATE runners SET state = ?, reason = ?, place = ?, lease_ends = ?, gone_at = ?, gone_boot_id = ?,
                gone_since_boot = ?, torn_down = ?
            WHERE id = ?
            """,
            [
                .text(record.state.rawValue), SQLiteValue(record.reason),
                SQLiteValue(record.place?.json.encoded()), .integer(record.leaseEnds),
                SQLiteValue(record.goneAt?.wallClock), SQLiteValue(record.goneAt?.bootID),
                SQLiteValue(record.goneAt?.sinceBoot), .integer(record.isTornDown ? 1 : 0), .text(record.id),
            ])
    }

    /// Forgets the runners that have been gone for that many milliseconds, and their keys. For runners that went in an
    /// earlier boot only the wall clock tells how long ago that was, and it may have been set forward. So these are kept
    /// for the first hour after the boot: no client repeats a request for longer. Of those that have been gone for an hour
    /// there are so many at most, however many a client makes and destroys.
    package func forgetRunners(
        goneFor age: Int, at now: Moment, keeping most: Int = 100_000
    ) throws(StoreError) {
        try write(
            """
            DELETE FROM runners WHERE torn_down = 1 AND state = 'gone' AND
                CASE WHEN gone_boot_id = ?1 THEN gone_since_boot <= ?2 ELSE gone_at <= ?3 AND ?4 >= 3600000 END
            """,
            [
                .text(now.bootID), .integer(now.sinceBoot - age), .integer(now.wallClock - age),
                .integer(now.sinceBoot),
            ])
        let hour = 3_600_000
        try write(
            """
            DELETE FROM runners WHERE id IN (SELECT id FROM runners WHERE torn_down = 1 AND state = 'gone'
                ORDER BY gone_at DESC LIMIT -1 OFFSET ?1) AND
                CASE WHEN gone_boot_id = ?2 THEN gone_since_boot <= ?3 ELSE gone_at <= ?4 END
            """,
            [
                .integer(most), .text(now.bootID), .integer(now.sinceBoot - hour), .integer(now.wallClock - hour),
            ])
    }

    private static let columns = """
        id, workspace, provider, tier, cpu, memory_mb, lease_seconds, state, reason, place, boot_id, lease_ends,
        life_ends, torn_down, gone_at, gone_since_boot, gone_boot_id, token, build_id, attempt, begun,
        provider_kind, standby
        """
    private static let columnCount: Int32 = 23

    private static func record(_ row: SQLiteRow) -> RunnerRecord {
        RunnerRecord(
            id: row.text(0), workspace: row.text(1), token: row.optionalText(17), provider: row.text(2),
            size: WireSize(tier: row.optionalText(3), cpu: row.integer(4), memoryMB: row.integer(5)),
            leaseSeconds: row.integer(6), state: RunnerState(rawValue: row.text(7)) ?? .failed,
            reason: row.optionalText(8), place: row.optionalText(9).flatMap(RunnerPlace.init(json:)),
            bootID: row.text(10), leaseEnds: row.integer(11), lifeEnds: row.integer(12),
            goneAt: goneAt(row), isTornDown: row.integer(13) != 0, buildID: row.optionalText(18),
            attempt: row.optionalInteger(19), begun: row.optionalInteger(20),
            providerKind: row.optionalText(21), standby: row.optionalText(22).flatMap(Standby.init(json:)))
    }

    private static func goneAt(_ row: SQLiteRow) -> Moment? {
        guard let wallClock = row.optionalInteger(14) else { return nil }
        // An earlier version did not record the boot: the runner then counts as gone in an unknown boot.
        return Moment(bootID: row.text(16), sinceBoot: row.integer(15), wallClock: wallClock)
    }
}

extension RunnerPlace: JSONEncodable {
    package var json: JSONValue {
        [
            "host": .string(host), "port": .integer(port), "user": .string(user), "host_keys": hostKeys.json,
            "work_dir": .string(workDir), "buildkit_addr": buildkitAddress.json, "region": region.json,
            "volume": volume.json,
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
            buildkitAddress: json["buildkit_addr"]?.stringValue, region: json["region"]?.stringValue)
        volume = json["volume"].flatMap { try? RunnerVolume(JSONNode($0)) }
    }
}

extension Store {
    func read<Result: Sendable>(
        _ sql: String, _ values: [SQLiteValue], _ body: @Sendable (SQLiteRow) -> Result
    ) throws(StoreError) -> [Result] {
        try use("read") { (connection) throws(StoreError) in try connection.query(sql, values, body) }
    }

    /// How many rows it changed.
    @discardableResult
    func write(_ sql: String, _ values: [SQLiteValue]) throws(StoreError) -> Int {
        try use("write") { (connection) throws(StoreError) in try connection.execute(sql, values) }
    }

    func transaction<Result: Sendable>(
        _ body: @Sendable (inout SQLiteConnection) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try use("transaction") { (connection) throws(StoreError) in try connection.transaction(body) }
    }

    /// The time that a call waits for others counts as well.
    private func use<Result: Sendable>(
        _ call: String, _ body: @Sendable (inout SQLiteConnection) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try meters.store.measure([call]) { () throws(StoreError) in
            try connection.withLock { (connection) throws(StoreError) in try body(&connection) }
        }
    }
}
