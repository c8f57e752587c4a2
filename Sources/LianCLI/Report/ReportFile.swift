import Glibc
import LianModel
import LianReport
import LianSystem

/// Where `--report` goes.
package struct ReportFile: Sendable {
    private let path: String

    /// Throws where it can be known before anything is built that no file can be written there.
    package init(_ path: String, from folder: String) throws(LianError) {
        let path = absolutePath(path, from: folder)
        let parent = parentFolder(path)
        let problem: String? =
            switch (fileKind(parent), fileKind(path)) {
            case (nil, _): "there is no folder \(parent)"
            case (.regular?, _), (.other?, _): "\(parent) is no folder"
            case (_, .folder?): "\(path) is a folder"
            case (_, .other?): "\(path) is no regular file"
            default: access(parent, W_OK | X_OK) == 0 ? nil : "the folder \(parent) cannot be written to"
            }
        if let problem {
            throw LianError(
                .invalidArgument, .arguments, "--report: \(problem)",
                hint: "Name a file in a folder that is there and can be written to.")
        }
        self.path = path
    }

    /// Writes the page; a failure is a warning, since the build is over and its result stands.
    package func write(_ record: BuildRecord) -> BuildWarning? {
        do throws(SystemError) {
            try replaceFile(path, reportPage(record), mode: 0o644)
            return nil
        } catch {
            return BuildWarning(.reportNotWritten, "\(path): \(error.reason)")
        }
    }
}
