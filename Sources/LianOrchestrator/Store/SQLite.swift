import CSQLite
import LianSystem

package struct StoreError: Error, CustomStringConvertible, Sendable {
    package let description: String
    var isDiskFull = false
}

enum SQLiteValue: Sendable {
    case null, integer(Int), real(Double), text(String)

    init(_ text: String?) { self = text.map { .text($0) } ?? .null }
    init(_ number: Double?) { self = number.map { .real($0) } ?? .null }
    init(_ number: Int?) { self = number.map { .integer($0) } ?? .null }
}

/// One row, valid only while the query that gave it runs.
struct SQLiteRow {
    fileprivate let statement: OpaquePointer

    func integer(_ column: Int32) -> Int { Int(sqlite3_column_int64(statement, column)) }

    func optionalReal(_ column: Int32) -> Double? {
        sqlite3_column_type(statement, column) == SQLITE_NULL ? nil : sqlite3_column_double(statement, column)
    }

    func optionalInteger(_ column: Int32) -> Int? {
        sqlite3_column_type(statement, column) == SQLITE_NULL ? nil : integer(column)
    }

    func text(_ column: Int32) -> String { optionalText(column) ?? "" }

    func optionalText(_ column: Int32) -> String? {
        guard let bytes = sqlite3_column_text(statement, column) else { return nil }
        let count = Int(sqlite3_column_bytes(statement, column))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }
}

/// One connection and its prepared statements. It belongs to one thread at a time: `Store` keeps it behind a lock.
struct SQLiteConnection {
    private let handle: OpaquePointer
    private var prepared: [String: OpaquePointer] = [:]

    init(path: String) throws(StoreError) {
        var handle: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        let result = sqlite3_open_v2(path, &handle, flags, nil)
        guard result == SQLITE_OK, let handle else {
            let reason = String(cString: sqlite3_errstr(result))
            sqlite3_close_v2(handle)
            throw StoreError(description: "\(path): \(reason)")
        }
        self.handle = handle
        sqlite3_busy_timeout(handle, 5000)
    }

    /// Keeps the write-ahead log when the connection is closed, together with the disk space reserved for it.
    func keepLog() throws(StoreError) {
        var keeps: Int32 = 1
        let result = sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &keeps)
        guard result == SQLITE_OK else {
            throw StoreError(
                description: "the log of changes cannot be kept: \(String(cString: sqlite3_errstr(result)))")
        }
    }

    mutating func close() {
        for statement in prepared.values { sqlite3_finalize(statement) }
        prepared = [:]
        sqlite3_close_v2(handle)
    }

    /// Runs statements that give no rows and are run once: the schema and the settings.
    func script(_ sql: String) throws(StoreError) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure(sql) }
    }

    /// Runs one statement and returns what the body made of each row.
    @discardableResult
    mutating func query<Result>(
        _ sql: String, _ values: [SQLiteValue], _ body: (SQLiteRow) -> Result
    ) throws(StoreError) -> [Result] {
        let statement = try prepare(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() {
            let position = Int32(index + 1)
            let result =
                switch value {
                case .null: sqlite3_bind_null(statement, position)
                case .integer(let number): sqlite3_bind_int64(statement, position, Int64(number))
                case .real(let number): sqlite3_bind_double(statement, position, number)
                case .text(let text): lian_sqlite_bind_text(statement, position, text, Int32(text.utf8.count))
                }
            guard result == SQLITE_OK else { throw failure(sql) }
        }
        var rows: [Result] = []
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: rows.append(body(SQLiteRow(statement: statement)))
            case SQLITE_DONE: return rows
            default: throw failure(sql)
            }
        }
    }

    /// Runs one statement that gives no rows and returns how many rows it changed.
    @discardableResult
    mutating func execute(_ sql: String, _ values: [SQLiteValue]) throws(StoreError) -> Int {
        try query(sql, values) { _ in }
        return Int(sqlite3_changes(handle))
    }

    mutating func transaction<Result>(_ body: (inout SQLiteConnection) throws(StoreError) -> Result) throws(StoreError)
        -> Result
    {
        try execute("BEGIN IMMEDIATE", [])
        do {
            let result = try body(&self)
            try execute("COMMIT", [])
            return result
        } catch {
            // The first error is the one to report; a failure of the rollback adds nothing to it.
            _ = try? execute("ROLLBACK", [])
            throw error
        }
    }

    private mutating func prepare(_ sql: String) throws(StoreError) -> OpaquePointer {
        if let statement = prepared[sql] { return statement }
        var statement: OpaquePointer?
        guard sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil) == SQLITE_OK,
            let statement
        else { throw failure(sql) }
        prepared[sql] = statement
        return statement
    }

    private func failure(_ sql: String) -> StoreError {
        StoreError(
            description: "\(String(cString: sqlite3_errmsg(handle))), in: \(sql)",
            isDiskFull: sqlite3_errcode(handle) == SQLITE_FULL)
    }
}
