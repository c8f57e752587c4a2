import LianCloacina
import LianFlags
import LianModel

/// What stdout carries: the envelope, the one value that a script wants, or a few lines to read.
enum OutputForm: String, CaseIterable {
    case json, id, table

    static let flag = "--output"

    /// Of commands without this choice, the envelope.
    init(_ reader: ArgumentReader, of syntax: CommandSyntax) throws(LianError) {
        guard syntax.flag(named: "--json") != nil else {
            self = .json
            return
        }
        let chosen: OutputForm? = try reader.choice(Self.flag)
        if reader.arguments.has("--json"), let chosen, chosen != .json {
            throw reader.refusal("--json", "asks for another form than \(Self.flag) \(chosen.rawValue)")
        }
        self = chosen ?? .json
    }

    /// Scripts take what is printed for the value: of a failure, the short forms print nothing.
    func text(of envelope: CloacinaEnvelope) -> String {
        switch self {
        case .json: envelope.json.encoded() + "\n"
        case .id: envelope.error == nil ? envelope.value.map { onOneLine($0, limit: .max) + "\n" } ?? "" : ""
        case .table: envelope.error == nil ? envelope.table : ""
        }
    }
}

extension CloacinaEnvelope {
    fileprivate var value: String? {
        switch command {
        case "package pack": report.artifact?.path
        case "package upload", "package publish": report.upload?.packageID
        default: report.package.map { "\($0.name)-\($0.version)" } ?? report.artifact?.path
        }
    }

    fileprivate var table: String {
        var rows: [(String, String?)] = []
        if let package = report.package {
            rows += [("Name", package.name), ("Version", package.version), ("Language", package.language)]
            rows += [("Format", package.format), ("Tasks", package.tasks?.joined(separator: ", "))]
        }
        if let artifact = report.artifact {
            rows += [("Path", artifact.path), ("Bytes", "\(artifact.bytes)"), ("SHA-256", artifact.sha256)]
            rows += [("Digest", artifact.digest), ("Fingerprint", artifact.fingerprint)]
            rows += [("Entries", artifact.entries.map { "\($0)" })]
        }
        for signature in report.signatures {
            rows.append(("Signature", "\(signature.kind.rawValue), \(signature.status.rawValue), \(signature.path)"))
        }
        if let upload = report.upload { rows += [("Server", upload.server), ("Package id", upload.packageID)] }
        return rows.map { key, value in value.map { onOneLine("\(key):  \($0)", limit: 10_000) + "\n" } ?? "" }.joined()
    }
}
