import LianModel
import LianSystem

/// The folder that the caller's relative paths begin at. It may have been removed under the caller: then only absolute
/// ones lead anywhere.
package struct WorkingFolder: Sendable {
    private let path: String?

    package init(_ path: String?) {
        self.path = path
    }

    package static var current: WorkingFolder { WorkingFolder(currentFolder()) }

    /// The path as an absolute one. The error does not repeat it: a secret may stand where its file belongs.
    package func path(_ given: String) throws(LianError) -> String {
        guard let start = given.utf8.first == UInt8(ascii: "/") ? "/" : path else {
            throw LianError(
                .invalidArgument, .arguments, "the working folder is gone, where a relative path begins",
                hint: "Go to a folder that is there, or give absolute paths alone.")
        }
        return absolutePath(given, from: start)
    }
}
