import Glibc
import LianSystem

/// `plugin new`: the example of a plugin in Swift, under a name of its own.
package struct PluginNew: CloacinaCommand {
    private let name: String
    private let folder: String
    private let surroundings: Surroundings

    package init(name: String, folder: String?, _ surroundings: Surroundings) {
        self.name = name
        self.folder = folder ?? name
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        try PackageNames.check(name: name)
        let path = surroundings.path(folder)
        do throws(SystemError) {
            guard try !fileExists(path) else { throw SystemError("mkdir \(path)", EEXIST) }
            try makeFolder(parentFolder(path), mode: 0o777)
        } catch {
            throw failure(error)
        }
        // Beside its place, so that the folder is there whole or not at all.
        let staging = try StagingFolder(in: parentFolder(path), named: ".\(name)-")
        do throws(SystemError) {
            let draft = "\(staging.path)/\(name)"
            for file in PluginExample.files(named: name) {
                try makeFolder(parentFolder("\(draft)/\(file.path)"), mode: 0o777)
                try writeFile("\(draft)/\(file.path)", file.text, mode: 0o666)
            }
            guard rename(draft, path) == 0 else { throw SystemError("rename \(draft)") }
        } catch {
            throw failure(error)
        }
        report.package = .init(name: name, version: "0.1.0", language: "swift", format: "plugin")
        surroundings.tell("Created: \(folder)")
    }

    private func failure(_ error: SystemError) -> CloacinaError {
        guard [EEXIST, ENOTEMPTY].contains(error.code) else { return .unwritable(folder, error) }
        return CloacinaError(
            .fileExists, .output, "\(folder) is there already", hint: "Name another folder with --out.")
    }
}
