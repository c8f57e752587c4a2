/// The one line that `integrate` prints as its answer.
package struct IntegrationAnswer: Equatable, Sendable {
    package enum CheckStatus: String, Sendable {
        case pass, fail, skip
    }

    package struct Check: Equatable, Sendable {
        package let name: IntegrationCheck
        package let status: CheckStatus
        package let detail: String?
        package let durationMilliseconds: Int

        package init(name: IntegrationCheck, status: CheckStatus, detail: String?, durationMilliseconds: Int) {
            self.name = name
            self.status = status
            self.detail = detail
            self.durationMilliseconds = durationMilliseconds
        }
    }

    package enum SecretStatus: String, Sendable {
        case resolved, missing, unreadable
        case unsafeMode = "unsafe_mode"
    }

    package struct Secret: Equatable, Sendable {
        package let name: String
        package let status: SecretStatus
        package let fingerprint: String?

        package init(name: String, status: SecretStatus, fingerprint: String?) {
            self.name = name
            self.status = status
            self.fingerprint = fingerprint
        }
    }

    package var requestID: String?
    package var workspace: String?
    package var checks: [Check] = []
    package var secrets: [Secret] = []
    package var isEventPublished = false
    package var eventSubject: String?
    package var startedAt: UTCTime
    package var finishedAt: UTCTime
    package var error: LianError?

    package init(startedAt: UTCTime) {
        self.startedAt = startedAt
        finishedAt = startedAt
    }

    package var status: String { error == nil ? "ok" : "error" }
    package var exitStatus: Int32 { error?.code.exitStatus ?? 0 }
}

extension IntegrationAnswer: JSONEncodable {
    package var json: JSONValue {
        [
            "schema": "lian-build/integration/v1", "request_id": requestID.json, "component": "lian-build",
            "version": .string(lianBuildVersion), "status": .string(status), "workspace": workspace.json,
            "checks": checks.json, "secrets": secrets.json,
            "capabilities": [
                "subcommands": ["build", "integrate"], "directives": "v1", "events": "cloudevents/1.0",
            ],
            "event": ["published": .bool(isEventPublished), "subject": eventSubject.json],
            "started_at": .string(startedAt.rfc3339), "finished_at": .string(finishedAt.rfc3339),
            "error": error.map { error in
                [
                    "code": .string(error.code.rawValue), "message": .string(error.message),
                    "hint": .string(error.hint),
                ]
            } ?? .null,
        ]
    }
}

extension IntegrationAnswer.Check: JSONEncodable {
    package var json: JSONValue {
        [
            "name": .string(name.rawValue), "status": .string(status.rawValue), "detail": detail.json,
            "duration_ms": .integer(durationMilliseconds),
        ]
    }
}

extension IntegrationAnswer.Secret: JSONEncodable {
    package var json: JSONValue {
        ["name": .string(name), "status": .string(status.rawValue), "fingerprint": fingerprint.json]
    }
}
