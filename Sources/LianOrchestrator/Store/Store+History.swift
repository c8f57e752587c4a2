import LianModel
import LianSystem

// MARK: - Keeping

extension Store {
    /// How many successful builds P95 looks back on.
    package static let historyLength = 50
    /// How many reports are forgotten at a time: until others have had the store in between.
    private static let forgottenAtOnce = 1000
    /// How many bytes may be kept of what a client calls its things, so that the store has room for all. A longer name
    /// belongs to no runner and no tier, a longer word to no volume and no error.
    private enum Longest {
        static let name = 64
        static let word = 32
        static let artifacts = 320
        static let timings = 192
    }

    /// Keeps a report once: the same build and attempt again changes nothing, unless a session has told of what CI tells
    /// of now. The workspace's oldest reports of the same kind and teller make room. False where it was known.
    @discardableResult
    package func keep(
        _ report: MetricsReport, of workspace: String, toldBy teller: Token.Layer = .ci,
        at time: Int = Timing.system.wallClock()
    ) throws(StoreError) -> Bool {
        let outcome = report.outcome == .succeeded ? "outcome = 'succeeded'" : "outcome <> 'succeeded'"
        let isOfSession = teller == .dev ? 1 : 0
        let kind = "workspace = ?1 AND of_session = \(isOfSession) AND \(outcome)"
        func text(_ text: String?, atMost limit: Int) -> SQLiteValue {
            SQLiteValue(text.flatMap { $0.utf8.count <= limit ? $0 : nil })
        }
        let values: [SQLiteValue] = [
            .text(workspace), .text(report.buildID), .integer(report.attempt),
            text(report.runnerID, atMost: Longest.name), text(report.tier, atMost: Longest.name),
            .text(report.outcome.rawValue), SQLiteValue(report.cpuPeak), SQLiteValue(report.memoryMBPeak),
            .real(report.durationSeconds), .integer(time), text(report.volumeState, atMost: Longest.word),
            SQLiteValue(report.kept.map { $0 ? 1 : 0 }), SQLiteValue(report.stepsTotal),
            SQLiteValue(report.stepsCached), SQLiteValue(report.artifacts.map(Self.fitting)?.json.encoded()),
            SQLiteValue(report.imageBytes), text(report.errorCode, atMost: Longest.word),
            text(report.timingsMS?.json.encoded(), atMost: Longest.timings),
        ]
        let oldest = limits.ofWorkspace
        return try transaction { (connection) throws(StoreError) in
            try connection.execute(
                """
                DELETE FROM metrics WHERE workspace = ?1 AND build_id = ?2 AND attempt = ?3 AND of_session > \(isOfSession)
                """, Array(values.prefix(3)))
            let isNew = try connection.execute(
                """
                INSERT INTO metrics (workspace, build_id, attempt, runner_id, tier, outcome, cpu_peak,
                    memory_mb_peak, duration_seconds, kept_at, volume_state, kept, steps_total, steps_cached,
                    artifacts, image_bytes, error_code, timings_ms, cpu, memory_mb, of_session)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                    (SELECT cpu FROM runners WHERE id = ?4 AND workspace = ?1),
                    (SELECT memory_mb FROM runners WHERE id = ?4 AND workspace = ?1), \(isOfSession))
                ON CONFLICT DO NOTHING
                """, values)
            guard isNew > 0 else { return false }
            try connection.execute(
                """
                DELETE FROM metrics WHERE \(kind) AND sequence <=
                    (SELECT sequence FROM metrics WHERE \(kind) ORDER BY sequence DESC LIMIT 1 OFFSET \(oldest))
                """, [.text(workspace)])
            return true
        }
    }

    /// As many of the artifacts as there is room for.
    private static func fitting(_ artifacts: [String]) -> [String] {
        // For the brackets; each name has a comma behind it.
        var room = Longest.artifacts - 2
        return Array(
            artifacts.prefix { name in
                room -= name.json.encoded().utf8.count + 1
                return room >= 0
            })
    }

    /// Forgets the reports that are too old, and the oldest ones where all workspaces together have too many. Each round
    /// is a change of its own, since the log of changes never becomes smaller again.
    package func forgetReports(at time: Int) throws(StoreError) {
        let end = time - limits.days * 24 * 3_600_000
        while try forget("WHERE kept_at < ?", .integer(end), atMost: Self.forgottenAtOnce) {}
        while true {
            let count = try read("SELECT count(*) FROM metrics", []) { $0.integer(0) }.first ?? 0
            let excess = min(count - limits.reports, Self.forgottenAtOnce)
            guard excess > 0 else { return }
            try forget("WHERE sequence > ? ORDER BY sequence", .integer(0), atMost: excess)
        }
    }

    /// Whether there may be more of them.
    @discardableResult
    private func forget(_ which: String, _ value: SQLiteValue, atMost limit: Int) throws(StoreError) -> Bool {
        let forgotten = try write(
            "DELETE FROM metrics WHERE sequence IN (SELECT sequence FROM metrics \(which) LIMIT ?)",
            [value, .integer(limit)])
        return forgotten == limit
    }
}

// MARK: - Looking back

extension Store {
    /// What P95 says of the workspace's last successful builds, of those that these have told of: what a session tells
    /// decides nothing for CI.
    package func history(
        of workspace: String, toldBy tellers: [Token.Layer] = Token.Layer.allCases
    ) throws(StoreError) -> UsageHistory {
        var found: [(sequence: Int, cpu: Double?, memory: Double?, duration: Double?)] = []
        for teller in tellers {
            found += try read(
                """
                SELECT sequence, cpu_peak, memory_mb_peak, duration_seconds FROM metrics
                WHERE workspace = ? AND of_session = \(teller == .dev ? 1 : 0) AND outcome = 'succeeded'
                ORDER BY sequence DESC LIMIT \(Self.historyLength)
                """, [.text(workspace)]
            ) { ($0.integer(0), $0.optionalReal(1), $0.optionalReal(2), $0.optionalReal(3)) }
        }
        let builds = found.sorted { $0.sequence > $1.sequence }.prefix(Self.historyLength)
        return UsageHistory(
            workspace: workspace, samples: builds.count, cpuP95: nearestRankP95(builds.compactMap(\.cpu)),
            memoryMBP95: nearestRankP95(builds.compactMap(\.memory)),
            durationSecondsP95: nearestRankP95(builds.compactMap(\.duration)))
    }

    /// The builds that the token sees, of one workspace where that is named: the newest first, from those before the
    /// position on. A build stands where its first report was kept, and stays there while others are added.
    package func builds(
        seenBy token: Token, workspace: String? = nil, before position: Int? = nil, limit: Int
    ) throws(StoreError) -> HistoryPage {
        let scope = Self.scope(of: token, workspace)
        let found = try read(
            Self.firstReports(in: scope), scope.values + [.integer(position ?? .max), .integer(limit + 1)]
        ) { (position: $0.integer(0), workspace: $0.text(1), buildID: $0.text(2)) }
        var builds: [ReportedBuild] = []
        for build in found.prefix(limit) {
            let attempts = try attempts(of: build.buildID, in: build.workspace)
            builds.append(ReportedBuild(buildID: build.buildID, workspace: build.workspace, attempts: attempts))
        }
        return HistoryPage(builds: builds, next: found.count > limit ? found[limit - 1].position : nil)
    }

    /// nil where none of its attempts has told of itself.
    package func build(_ id: String, in workspace: String) throws(StoreError) -> ReportedBuild? {
        let attempts = try attempts(of: id, in: workspace)
        return attempts.isEmpty ? nil : ReportedBuild(buildID: id, workspace: workspace, attempts: attempts)
    }

    /// The workspaces with history that the token sees; the one that has built last is the first.
    package func workspaces(seenBy token: Token, limit: Int) throws(StoreError) -> [String] {
        let scope = Self.scope(of: token, nil)
        return try read(
            """
            SELECT workspace, max(sequence) AS newest FROM metrics AS report WHERE \(scope.condition)
            GROUP BY workspace ORDER BY newest DESC LIMIT ?
            """, scope.values + [.integer(limit)]
        ) { $0.text(0) }
    }

    /// The plus before a column keeps SQLite from looking by it: of the build's reports there are two at most, of earlier
    /// ones very many.
    static func firstReports(in scope: Scope) -> String {
        """
        SELECT sequence, workspace, build_id FROM metrics AS report
        WHERE \(scope.condition) AND \(scope.sequence) < ? AND NOT EXISTS (
            SELECT 1 FROM metrics AS earlier WHERE earlier.workspace = report.workspace
                AND earlier.build_id = report.build_id AND +earlier.sequence < report.sequence)
        ORDER BY \(scope.sequence) DESC LIMIT ?
        """
    }

    private func attempts(of buildID: String, in workspace: String) throws(StoreError) -> [ReportedAttempt] {
        try read(
            """
            SELECT attempt, runner_id, tier, outcome, cpu_peak, memory_mb_peak, duration_seconds, kept_at,
                volume_state, kept, steps_total, steps_cached, artifacts, image_bytes, error_code, timings_ms, cpu,
                memory_mb
            FROM metrics WHERE workspace = ? AND build_id = ? ORDER BY attempt
            """, [.text(workspace), .text(buildID)]
        ) { Self.attempt($0, of: buildID) }
    }

    private static func attempt(_ row: SQLiteRow, of buildID: String) -> ReportedAttempt {
        func list(_ column: Int32) -> JSONValue? { row.optionalText(column).flatMap { try? JSONValue.parse($0) } }
        var report = MetricsReport(
            buildID: buildID, attempt: row.integer(0), runnerID: row.optionalText(1), tier: row.optionalText(2),
            outcome: AttemptOutcome(rawValue: row.text(3)) ?? .failed, cpuPeak: row.optionalReal(4),
            memoryMBPeak: row.optionalReal(5), durationSeconds: row.optionalReal(6) ?? 0,
            volumeState: row.optionalText(8), kept: row.optionalInteger(9).map { $0 != 0 })
        report.stepsTotal = row.optionalInteger(10)
        report.stepsCached = row.optionalInteger(11)
        report.artifacts = list(12)?.arrayValue?.compactMap(\.stringValue)
        report.imageBytes = row.optionalInteger(13)
        report.errorCode = row.optionalText(14)
        report.timingsMS = list(15)?.objectValue?.compactMapValues(\.intValue)
        return ReportedAttempt(
            report: report, cpu: row.optionalInteger(16), memoryMB: row.optionalInteger(17),
            recordedAt: row.optionalInteger(7).map { UTCTime(milliseconds: $0) })
    }

    /// What of the reports a token sees.
    struct Scope {
        var condition: String
        var values: [SQLiteValue] = []
        var sequence = "report.sequence"
    }

    static func scope(of token: Token, _ workspace: String?) -> Scope {
        if let workspace { return Scope(condition: "report.workspace = ?", values: [.text(workspace)]) }
        if token.seesAll { return Scope(condition: "1") }
        if token.workspaces.isEmpty { return Scope(condition: "0") }
        var values: [SQLiteValue] = []
        let conditions = token.workspaces.map { pattern in
            values.append(.text(pattern.firstPart))
            if pattern.isWhole { return "report.workspace = ?" }
            // No name has a character beyond z.
            values.append(.text(pattern.firstPart + "{"))
            return "report.workspace >= ? AND report.workspace < ?"
        }
        // It is not gone through all reports by their sequence: how long that takes would tell how much others build.
        return Scope(
            condition: "(\(conditions.joined(separator: " OR ")))", values: values, sequence: "+report.sequence")
    }
}

/// The smallest sample that at least 95 % of the samples do not exceed; nil where there are no samples.
package func nearestRankP95(_ samples: [Double]) -> Double? {
    guard !samples.isEmpty else { return nil }
    return samples.sorted()[(samples.count * 95 + 99) / 100 - 1]
}
