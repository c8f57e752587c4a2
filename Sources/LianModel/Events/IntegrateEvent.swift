/// What an event tells of a probe: how its checks ended. It holds no secret's name, value or fingerprint.
package struct IntegrateEvent: Equatable, Sendable {
    package let requestID: String
    package let workspace: String
    /// ok or error.
    package let status: String
    /// Each check's name with pass, fail or skip.
    package let checks: [String: String]

    package init(requestID: String, workspace: String, status: String, checks: [String: String]) {
        self.requestID = requestID
        self.workspace = workspace
        self.status = status
        self.checks = checks
    }

    /// Each answer has an id of its own, because the same request may be asked again and is then answered anew.
    package func cloudEvent(subjectPrefix: String, id: String, time: UTCTime) -> CloudEvent {
        CloudEvent(
            id: id, source: "/lian-build/integrate", type: "dev.lian.integrate.completed",
            subject: Self.subject(prefix: subjectPrefix, workspace: workspace), time: time,
            data: [
                "request_id": .string(requestID), "workspace": .string(workspace), "status": .string(status),
                "checks": checks.json,
            ])
    }

    package static func subject(prefix: String, workspace: String) -> String {
        "\(prefix).\(workspace).integrate.completed"
    }
}
