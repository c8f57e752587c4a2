import LianModel

/// What is kept of the builds that told of themselves.
package struct HistoryLimits: Equatable, Sendable {
    /// Older reports say nothing about the builds of today.
    package var days: Int
    /// How many are kept for all workspaces together.
    package var reports: Int
    /// How many are kept for each workspace, of successes and of all others separately, and of what CI and what sessions
    /// told: one that tells very much does not drive out what others have told.
    package var ofWorkspace: Int

    package init(days: Int = 90, reports: Int = 100_000, ofWorkspace: Int = 10_000) {
        self.days = days
        self.reports = reports
        self.ofWorkspace = ofWorkspace
    }
}

/// What one attempt of a build has told.
package struct ReportedAttempt: Equatable, Sendable {
    package var report: MetricsReport
    /// The size of its runner; nil where there was none by the id that was told.
    package var cpu: Int?
    package var memoryMB: Int?
    /// nil where an earlier version has kept it.
    package var recordedAt: UTCTime?
}

extension ReportedAttempt: JSONEncodable {
    package var json: JSONValue {
        var members = report.json.objectValue ?? [:]
        members["build_id"] = nil
        members["cpu"] = cpu.json
        members["memory_mb"] = memoryMB.json
        members["recorded_at"] = (recordedAt?.rfc3339).json
        return .object(members)
    }
}

/// A build with those of its attempts that are known, the first one first.
package struct ReportedBuild: Equatable, Sendable {
    package var buildID: String
    package var workspace: String
    package var attempts: [ReportedAttempt]
}

extension ReportedBuild: JSONEncodable {
    package var json: JSONValue {
        ["build_id": .string(buildID), "workspace": .string(workspace), "attempts": attempts.json]
    }
}

package struct HistoryPage: Equatable, Sendable {
    package var builds: [ReportedBuild]
    /// Where the next page begins; nil where there is none.
    package var next: Int?
}
