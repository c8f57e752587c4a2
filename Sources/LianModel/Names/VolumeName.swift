/// The name of a volume: `ci/WORKSPACE/NAME` or `dev/ACTOR-WORKSPACE/NAME`, as that of a cache layer.
package struct VolumeName: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package static let rule = "must be ci/WORKSPACE/NAME or dev/ACTOR-WORKSPACE/NAME, 200 characters at most"
    private static let maximumLength = 200

    /// nil where the text is no such name.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard text.utf8.count <= Self.maximumLength, parts.count == 3, parts[0] == "ci" || parts[0] == "dev",
            !parts[1].isEmpty, parts[1].utf8.allSatisfy(Self.isOfFolder), Identifier.isWords(parts[2])
        else { return nil }
        description = text
    }

    /// Whether CI alone writes it.
    package var isOfCI: Bool { description.hasPrefix("ci/") }

    /// The workspaces that it can be of. A session's is called ACTOR-WORKSPACE, and each of the two may have hyphens.
    package var possibleWorkspaces: [String] {
        let folder = description.split(separator: "/")[1]
        if isOfCI { return [String(folder)] }
        return folder.indices.filter { folder[$0] == "-" }.map { String(folder[folder.index(after: $0)...]) }
    }

    private static func isOfFolder(_ byte: UInt8) -> Bool {
        Identifier.isLowercase(byte) || Identifier.isDigit(byte) || byte == UInt8(ascii: "-")
    }
}

extension VolumeName: JSONEncodable {
    package var json: JSONValue { .string(description) }
}

extension JSONNode {
    package func volumeName() throws(SchemaViolation) -> VolumeName {
        guard let name = VolumeName(try string()) else { throw violation(VolumeName.rule) }
        return name
    }
}
