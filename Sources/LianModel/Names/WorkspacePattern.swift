/// A workspace, or all whose names begin alike: `acme`, `acme-*`, `*`.
package struct WorkspacePattern: Equatable, Sendable {
    package let beginning: String
    package let isWhole: Bool

    package static let all = WorkspacePattern(beginning: "", isWhole: false)
    package static let rule = "must be a workspace, or the beginning of one with * behind it"

    private init(beginning: String, isWhole: Bool) {
        self.beginning = beginning
        self.isWhole = isWhole
    }

    /// nil where the text is no such pattern.
    package init?(_ text: String) {
        isWhole = !text.hasSuffix("*")
        beginning = isWhole ? text : String(text.dropLast())
        guard isWhole ? Identifier.isSlug(text) : Identifier.beginsSlug(beginning) else { return nil }
    }

    package var text: String { isWhole ? beginning : beginning + "*" }

    package func matches(_ workspace: String) -> Bool {
        isWhole ? workspace == beginning : workspace.hasPrefix(beginning)
    }
}
