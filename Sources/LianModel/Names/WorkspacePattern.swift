/// A workspace, or all whose names begin alike: `acme`, `acme-*`, `*`.
package struct WorkspacePattern: Equatable, Sendable {
    package let firstPart: String
    package let isWhole: Bool

    package static let all = WorkspacePattern(firstPart: "", isWhole: false)
    package static let rule = "must be a workspace, or the beginning of one with * behind it"

    private init(firstPart: String, isWhole: Bool) {
        self.firstPart = firstPart
        self.isWhole = isWhole
    }

    /// nil where the text is no such pattern.
    package init?(_ text: String) {
        isWhole = !text.hasSuffix("*")
        firstPart = isWhole ? text : String(text.dropLast())
        guard isWhole ? Identifier.isSlug(text) : Identifier.beginsSlug(firstPart) else { return nil }
    }

    package var text: String { isWhole ? firstPart : firstPart + "*" }

    package func matches(_ workspace: String) -> Bool {
        isWhole ? workspace == firstPart : workspace.hasPrefix(firstPart)
    }
}
