/// A runner that could not be removed for long, as an event tells of it.
package struct LeakingRunner: Equatable, Sendable {
    package let runnerID: String
    package let workspace: String
    package let provider: String
    /// Since when it is to be gone.
    package let since: UTCTime
    /// Why the last try failed, in the provider's words.
    package let reason: String

    package init(runnerID: String, workspace: String, provider: String, since: UTCTime, reason: String) {
        self.runnerID = runnerID
        self.workspace = workspace
        self.provider = provider
        self.since = since
        self.reason = reason
    }

    /// `orchestrator` is the id by which that one marks its runners.
    package func cloudEvent(subjectPrefix: String, orchestrator: String, time: UTCTime) -> CloudEvent {
        CloudEvent(
            id: "\(orchestrator).\(runnerID).leaking", source: "/lian-orchestrator/\(orchestrator)",
            type: "dev.lian.orchestrator.leaking", subject: Self.subject(prefix: subjectPrefix), time: time,
            data: [
                "runner_id": .string(runnerID), "workspace": .string(workspace), "provider": .string(provider),
                "since": .string(since.rfc3339), "reason": .string(reason),
            ])
    }

    package static func subject(prefix: String) -> String { "\(prefix).orchestrator.leaking" }
}
