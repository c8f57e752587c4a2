import LianBuild
import LianConfiguration
import LianModel
import LianReport
import LianSystem

/// Where `--report` goes.
package struct ReportFile: Sendable {
    private let path: String

    /// Throws where it can be known before anything is built that no file can be written there.
    package init(_ path: String, from folder: WorkingFolder) throws(LianError) {
        let path = try folder.path(path)
        let problem = fileKind(path) == .other ? "\(path) is no regular file" : reasonNotToWrite(path)
        if let problem { throw .unwritable("--report", problem) }
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
