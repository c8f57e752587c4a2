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
        return Array(Indented.record(document).text.utf8)
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
