import LianModel

/// What a command has found and made so far; it is complete where the command succeeded. What was not reached is nil.
package struct CloacinaReport: Equatable, Sendable {
    package struct Package: Equatable, Sendable {
        package var name: String
        package var version: String
        package var language: String?
        package var format: String
        package var tasks: [String]?
        package var resolved: [String] = []

        package init(name: String, version: String, language: String?, format: String, tasks: [String]? = nil) {
            self.name = name
            self.version = version
            self.language = language
            self.format = format
            self.tasks = tasks
        }
    }

    package struct Artifact: Equatable, Sendable {
        package var path: String
        package var bytes: Int
        package var sha256: String
        package var digest: String?
        package var fingerprint: String?
        package var entries: Int?

        package init(
            path: String, bytes: Int, sha256: String, digest: String? = nil, fingerprint: String? = nil,
            entries: Int? = nil
        ) {
            self.path = path
            self.bytes = bytes
            self.sha256 = sha256
            self.digest = digest
            self.fingerprint = fingerprint
            self.entries = entries
        }
    }

    package struct Signature: Equatable, Sendable {
        package enum Kind: String, CaseIterable, Sendable { case sidecar, embedded }
        package enum Status: String, Sendable { case made, valid }

        package var kind: Kind
        package var path: String
        package var keyFingerprint: String
        package var status: Status

        package init(kind: Kind, path: String, keyFingerprint: String, status: Status) {
            self.kind = kind
            self.path = path
            self.keyFingerprint = keyFingerprint
            self.status = status
        }
    }

    package struct Upload: Equatable, Sendable {
        package var server: String
        package var tenant: String
        package var packageID: String?

        package init(server: String, tenant: String, packageID: String?) {
            self.server = server
            self.tenant = tenant
            self.packageID = packageID
        }
    }

    package var package: Package?
    package var artifact: Artifact?
    package var signatures: [Signature] = []
    package var upload: Upload?
    package var inspection: JSONValue?
    package var plan: JSONValue?
    package var warnings: [CloacinaWarning] = []

    package init() {}

    package mutating func warn(_ code: CloacinaWarningCode, _ message: String) {
        warnings.append(CloacinaWarning(code, message))
    }
}

/// The one line that a command prints on stdout.
package struct CloacinaEnvelope: Sendable {
    package enum Status: String, CaseIterable, Sendable {
        case succeeded, planned, failed
        case timedOut = "timed_out"
        case cancelled
    }

    /// As it is typed: `package pack`; nil where no command was recognized.
    package let command: String?
    package let report: CloacinaReport
    package let error: CloacinaError?
    package let milliseconds: Int

    package init(command: String?, report: CloacinaReport, error: CloacinaError?, milliseconds: Int) {
        self.command = command
        self.report = report
        self.error = error
        self.milliseconds = milliseconds
    }

    package var status: Status {
        switch error?.code {
        case .timedOut: .timedOut
        case .cancelled: .cancelled
        case nil: report.plan == nil ? .succeeded : .planned
        default: .failed
        }
    }
}

extension CloacinaEnvelope: JSONEncodable {
    package static let schema = "lian-build/cloacina/v1"

    package var json: JSONValue {
        [
            "schema": .string(Self.schema), "version": .string(lianBuildVersion),
            "command": command.json, "status": .string(status.rawValue),
            "package": report.package.json, "artifact": report.artifact.json,
            "signatures": report.signatures.json, "upload": report.upload.json,
            "inspection": report.inspection ?? .null, "plan": report.plan ?? .null,
            "timings_ms": ["total": .integer(milliseconds)],
            "warnings": .array(
                report.warnings.map { ["code": .string($0.code.rawValue), "message": .string($0.message)] }),
            "error": error?.json ?? .null,
        ]
    }
}

extension CloacinaReport.Package: JSONEncodable {
    package var json: JSONValue {
        [
            "name": .string(name), "version": .string(version), "language": language.json,
            "format": .string(format), "tasks": tasks.json, "resolved": resolved.json,
        ]
    }
}

extension CloacinaReport.Artifact: JSONEncodable {
    package var json: JSONValue {
        [
            "path": .string(path), "bytes": .integer(bytes), "sha256": .string(sha256),
            "digest": digest.json, "fingerprint": fingerprint.json,
            "entries": entries.json,
        ]
    }
}

extension CloacinaReport.Signature: JSONEncodable {
    package var json: JSONValue {
        [
            "kind": .string(kind.rawValue), "path": .string(path), "key_fingerprint": .string(keyFingerprint),
            "status": .string(status.rawValue),
        ]
    }
}

extension CloacinaReport.Upload: JSONEncodable {
    package var json: JSONValue {
        [
            "server": .string(server), "tenant": .string(tenant),
            "package_id": packageID.json,
        ]
    }
}
