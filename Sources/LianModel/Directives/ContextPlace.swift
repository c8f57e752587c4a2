/// Where a build takes its files from.
package enum ContextPlace: Equatable, Sendable {
    /// Of directives: relative to their file.
    case folder(String)
    /// A Git repository or a tar archive, which the engine fetches itself.
    case url(String)

    package init?(_ text: String) {
        if TextRule.folder.holds(text) {
            self = .folder(text)
        } else if TextRule.contextURL(text) {
            self = .url(text)
        } else {
            return nil
        }
    }

    package var folder: String? {
        guard case .folder(let folder) = self else { return nil }
        return folder
    }
}
