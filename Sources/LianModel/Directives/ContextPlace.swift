/// Where a build takes its files from.
package enum ContextPlace: Equatable, Sendable {
    /// Of directives: relative to their file.
    case folder(String)
    /// A Git repository or a tar archive, which the engine fetches itself.
    case url(String)

    package init?(_ text: String) {
        if TextRule.secureShellURL(text) {
            self = .url(text)
        } else if TextRule.folder.holds(text) {
            self = .folder(text)
        } else if TextRule.contextURL(text) {
            self = .url(text)
        } else {
            return nil
        }
    }

    /// Whether it is a Git repository at an SSH server.
    package var isOverSSH: Bool {
        guard case .url(let url) = self else { return false }
        return TextRule.secureShellURL(url)
    }

    package var folder: String? {
        guard case .folder(let folder) = self else { return nil }
        return folder
    }
}
