import LianModel

/// The manifest.json of a package of version 2.
struct LegacyManifest {
    static let fileName = "manifest.json"

    let project: PyProject
    let targets: [PackageTarget]
    let tasks: [PythonTask]
    /// `YYYY-MM-DDThh:mm:ssZ`
    let createdAt: String

    /// Its bytes with this fingerprint in them.
    func bytes(fingerprint: String) -> [UInt8] {
        let package = Ordered([
            ("name", text(project.name)), ("version", text(project.version)),
            ("description", text(project.description)), ("fingerprint", text(fingerprint)),
            ("targets", .list(targets.map { text($0.rawValue) })),
        ])
        let python = Ordered([
            ("requires_python", text(project.requiresPythonOrDefault)), ("entry_module", text(project.entryModule)),
        ])
        let document = Ordered([
            ("format_version", text("2")), ("package", .record(package)), ("language", text("python")),
            ("python", .record(python)), ("rust", .plain(.null)),
            ("tasks", .list(tasks.map { .record(record(of: $0)) })), ("created_at", text(createdAt)),
            ("signature", .plain(.null)),
        ])
        return Array(Indented.record(document).lines(0).joined(separator: "\n").utf8)
    }

    private func record(of task: PythonTask) -> Ordered {
        Ordered([
            ("id", text(task.id)), ("function", text("\(project.entryModule):\(task.function)")),
            ("dependencies", .list(task.dependencies.map { text($0) })), ("description", text(task.description)),
            ("retries", .plain(.integer(task.retries))),
            ("timeout_seconds", .plain(task.timeoutSeconds.map { .integer($0) } ?? .null)),
        ])
    }

    private func text(_ text: String?) -> Indented { .plain(text.map { .string($0) } ?? .null) }

    /// `digest` is that of all files, the manifest without its fingerprint among them.
    static func fingerprint(of digest: [UInt8]) -> String { "sha256:\(hexadecimal(digest))" }

    /// The bytes of a manifest as its fingerprint was made over them: with none in them. Nil where they hold none.
    static func withoutFingerprint(_ bytes: [UInt8], _ fingerprint: String) -> [UInt8]? {
        let written = Array("\"fingerprint\": \(JSONValue.string(fingerprint).encoded())".utf8)
        guard let place = bytes.firstRange(of: written) else { return nil }
        return bytes[..<place.lowerBound] + Array("\"fingerprint\": \"\"".utf8) + bytes[place.upperBound...]
    }
}

private struct Ordered {
    let members: [(key: String, value: Indented)]

    init(_ members: [(String, Indented)]) {
        self.members = members.map { (key: $0.0, value: $0.1) }
    }
}

/// JSON with two spaces for each level, and its members in the order given.
private indirect enum Indented {
    case plain(JSONValue)
    case list([Indented])
    case record(Ordered)

    /// Of which the first stands behind a key, and the last before a comma.
    func lines(_ level: Int) -> [String] {
        switch self {
        case .plain(let value): return [value.encoded()]
        case .list(let items):
            return enclosed("[", items.map { $0.lines(level + 1) }, "]", level)
        case .record(let record):
            let members = record.members.map { key, value in
                var lines = value.lines(level + 1)
                lines[0] = "\(JSONValue.string(key).encoded()): \(lines[0])"
                return lines
            }
            return enclosed("{", members, "}", level)
        }
    }

    private func enclosed(_ start: String, _ parts: [[String]], _ end: String, _ level: Int) -> [String] {
        guard !parts.isEmpty else { return [start + end] }
        let inner = String(repeating: "  ", count: level + 1)
        var lines = [start]
        for (index, part) in parts.enumerated() {
            lines += part
            lines[lines.count - part.count] = inner + part[0]
            if index < parts.count - 1 { lines[lines.count - 1] += "," }
        }
        return lines + [String(repeating: "  ", count: level) + end]
    }
}
