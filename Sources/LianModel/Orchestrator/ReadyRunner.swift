/// A runner that can be logged in to.
package struct ReadyRunner: Equatable, Sendable {
    package let id: String
    package let provider: String?
    package let size: WireSize?
    package let host: String
    package let port: Int
    package let user: String
    /// Empty where the orchestrator gives no host keys.
    package let hostKeys: [SSHPublicKey]
    package let workDir: String
    package let buildkitAddress: String?
    /// nil where none was asked for, or the orchestrator offers none.
    package let volume: RunnerVolume?

    /// The work folder where an orchestrator names no other.
    package static let defaultWorkDir = "/build"

    /// Reads the runner from an answer whose state is ready.
    package init(_ answer: RunnerAnswer) throws(SchemaViolation) {
        guard let host = answer.host else {
            throw SchemaViolation(path: "data.host", rule: "is required of a runner that is ready")
        }
        guard let user = answer.user else {
            throw SchemaViolation(path: "data.user", rule: "is required of a runner that is ready")
        }
        id = answer.runnerID
        provider = answer.provider
        size = answer.size
        self.host = host
        port = answer.port ?? 22
        self.user = user
        hostKeys = try answer.parsedHostKeys()
        workDir = answer.workDir ?? Self.defaultWorkDir
        buildkitAddress = answer.buildkitAddress
        volume = answer.volume
    }
}

extension RunnerAnswer {
    /// What a client checks as soon as the answer arrives, before any of it reaches a connection, a path or a command
    /// line.
    package func checkArrival() throws(SchemaViolation) {
        for (name, text) in [
            ("host", host), ("user", user), ("work_dir", workDir), ("buildkit_addr", buildkitAddress),
            ("volume.path", volume?.path),
        ] {
            guard let text else { continue }
            let node = JSONNode(.string(text), path: "data.\(name)")
            guard !text.isEmpty else { throw node.violation("must not be empty") }
            guard !text.unicodeScalars.contains(where: Self.isForbidden) else {
                throw node.violation("must hold no white space, no quotes and no control characters")
            }
        }
        for (name, folder) in [("work_dir", workDir), ("volume.path", volume?.path)] {
            guard let folder else { continue }
            let node = JSONNode(.string(folder), path: "data.\(name)")
            guard folder.hasPrefix("/") else { throw node.violation("must be an absolute path") }
            guard !folder.split(separator: "/").contains("..") else { throw node.violation("must not hold '..'") }
        }
        _ = try parsedHostKeys()
    }

    fileprivate func parsedHostKeys() throws(SchemaViolation) -> [SSHPublicKey] {
        var keys: [SSHPublicKey] = []
        for (index, line) in hostKeys.enumerated() {
            guard let key = SSHPublicKey(line: line) else {
                throw JSONNode(.string(line), path: "data.host_keys[\(index)]")
                    .violation("must be a public key, as in 'ssh-ed25519 AAAA…'")
            }
            keys.append(key)
        }
        return keys
    }

    private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator: true
        default: scalar.properties.isWhitespace || "\"'`".unicodeScalars.contains(scalar)
        }
    }
}
