/// What a build makes, as buildx writes it: an image for a registry, or files for the caller. `KIND,KEY=VALUE…` with
/// `type=` before it, or a folder alone.
package struct BuildOutput: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case image, registry, local, tar, oci, docker

        /// Whether it is brought to the caller.
        package var isBrought: Bool { self != .image && self != .registry }
    }

    /// What is wrong with a text.
    package struct Problem: Error, Equatable, Sendable {
        package let reason: String
    }

    package let kind: Kind
    /// Where it goes: of what is brought, and of nothing else.
    package let dest: String?
    /// false where an image is made and not pushed.
    package let pushes: Bool

    package static let rule =
        "dest must be a path where type is local, tar, oci or docker, not '-', and must be left out elsewhere"

    package init?(_ kind: Kind, dest: String?, pushes: Bool = true) {
        guard kind.isBrought == (dest != nil), dest != "-", dest != "" else { return nil }
        self.kind = kind
        self.dest = dest
        self.pushes = pushes
    }

    package init(_ text: String) throws(Problem) {
        self = try Self.read(text)
    }

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        let kind = try record.required("type").choice(of: Kind.self)
        let dest = try record.optional("dest")?.text(.folder)
        try record.close()
        guard let output = BuildOutput(kind, dest: dest) else { throw node.violation(Self.rule) }
        self = output
    }

    private static func read(_ text: String) throws(Problem) -> BuildOutput {
        guard text != "-" else { throw onStandardOutput }
        let fields = text.split(separator: ",", omittingEmptySubsequences: false)
        if fields.count == 1, !text.utf8.contains(UInt8(ascii: "=")) {
            guard TextRule.folder.holds(text), let output = BuildOutput(.local, dest: text) else {
                throw Problem(reason: TextRule.folder.sentence)
            }
            return output
        }
        var given: [String: String] = [:]
        for field in fields {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw Problem(reason: "must be a folder, or KEY=VALUE joined by ','")
            }
            guard given.updateValue(String(parts[1]), forKey: String(parts[0])) == nil else {
                throw Problem(reason: "gives '\(onOneLine(String(parts[0]), limit: 40))' twice")
            }
        }
        let kinds = Kind.allCases.map(\.rawValue).joined(separator: ", ")
        guard let name = given.removeValue(forKey: "type") else {
            throw Problem(reason: "needs type=: one of \(kinds)")
        }
        guard let kind = Kind(rawValue: name) else {
            throw Problem(reason: "type= must be one of \(kinds), not '\(onOneLine(name, limit: 40))'")
        }
        let known = kind.isBrought ? "dest" : "push"
        if let unknown = given.keys.sorted().first(where: { $0 != known }) {
            throw Problem(
                reason: "type=\(name) has no key '\(onOneLine(unknown, limit: 40))' here, only '\(known)'"
                    + (others[unknown].map { "; \($0)" } ?? ""))
        }
        guard kind.isBrought else {
            switch given["push"] {
            case nil, "true"?: return BuildOutput(kind)
            case "false"? where kind == .image: return BuildOutput(kind, pushes: false)
            default: throw Problem(reason: "type=\(name): push must be true\(kind == .image ? " or false" : "")")
            }
        }
        guard let dest = given["dest"] else {
            throw Problem(reason: "type=\(name) needs dest=\(kind == .local ? "FOLDER" : "FILE")")
        }
        guard dest != "-" else { throw onStandardOutput }
        guard TextRule.folder.holds(dest), let output = BuildOutput(kind, dest: dest) else {
            throw Problem(reason: "dest= \(TextRule.folder.sentence)")
        }
        return output
    }

    private init(_ kind: Kind, pushes: Bool = true) {
        self.kind = kind
        dest = nil
        self.pushes = pushes
    }

    private static let onStandardOutput = Problem(reason: "cannot write to stdout, which carries the result")

    /// What says here what buildx says by a key.
    private static let others = [
        "name": "--image and --tag name the image", "compression": "--compression says it",
        "compression-level": "--compression-level says it", "tar": "type=local makes a folder",
    ]
}
