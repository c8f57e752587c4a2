/// Where a secret is kept; it never holds the secret itself.
package enum SecretSource: Hashable, Sendable {
    /// An environment variable of the caller.
    case environment(String)
    /// A file of the caller, relative to the directives file.
    case file(String)
    case vault(VaultPath)

    /// Paths and names count by their bytes.
    private enum Key: Hashable {
        case environment(TextBytes), file(TextBytes), vault(VaultPath)
    }

    private var key: Key {
        switch self {
        case .environment(let name): .environment(TextBytes(name))
        case .file(let path): .file(TextBytes(path))
        case .vault(let path): .vault(path)
        }
    }

    package static func == (one: SecretSource, other: SecretSource) -> Bool { one.key == other.key }

    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}

/// `MOUNT/PATH#FIELD` in a key-value store of version 2.
package struct VaultPath: Hashable, Sendable {
    package let mount: String
    package let path: String
    package let field: String

    package init?(_ text: String) {
        let halves = text.split(separator: "#", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        let segments = halves[0].split(separator: "/", omittingEmptySubsequences: false)
        guard segments.count >= 2, (segments + [halves[1]]).allSatisfy(Self.isSegment) else { return nil }
        mount = String(segments[0])
        path = segments.dropFirst().joined(separator: "/")
        field = String(halves[1])
    }

    private static func isSegment(_ text: Substring) -> Bool {
        !text.isEmpty && text != "." && text != ".."
            && text.utf8.allSatisfy { Identifier.isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }
}

/// A user's password or token.
package struct VaultCredRef: Equatable, Sendable {
    package let source: SecretSource
    package let username: String?

    package init(_ node: JSONNode) throws(SchemaViolation) {
        // Somebody may write the secret itself where its place should be named. It must not appear in a log then.
        let node = node.secret()
        var record = try node.record(like: SecretSource.example)
        source = try SecretSource(at: node, &record)
        username = try record.optional("username")?.text(.userName)
        try record.close()
    }
}

/// A reference to one key: it may be in the same places as a password, and has no user.
package struct VaultKeyRef: Equatable, Sendable {
    package let source: SecretSource

    package init(_ node: JSONNode) throws(SchemaViolation) {
        let node = node.secret()
        var record = try node.record(like: SecretSource.example)
        source = try SecretSource(at: node, &record)
        try record.close()
    }
}

extension SecretSource {
    fileprivate static let example = #"{"via": "file", "path": "FILE"} or {"via": "env", "name": "NAME"}"#

    private enum Via: String, CaseIterable {
        case env, file, vault
    }

    fileprivate init(at node: JSONNode, _ record: inout RecordReader) throws(SchemaViolation) {
        let via = try record.required("via").choice(of: Via.self)
        let name = try record.optional("name")
        let path = try record.optional("path")
        let nameRule = "name must be there exactly when via is env"
        let pathRule = "path must be there exactly when via is file or vault"
        switch via {
        case .env:
            guard let name else { throw node.violation(nameRule) }
            guard path == nil else { throw node.violation(pathRule) }
            self = .environment(try name.text(.variableName))
        case .file, .vault:
            guard name == nil else { throw node.violation(nameRule) }
            guard let path else { throw node.violation(pathRule) }
            if via == .file {
                self = .file(try path.text(.file))
            } else if let vaultPath = VaultPath(try path.string()) {
                self = .vault(vaultPath)
            } else {
                throw path.violation(TextRule.vaultPath.sentence)
            }
        }
    }
}
