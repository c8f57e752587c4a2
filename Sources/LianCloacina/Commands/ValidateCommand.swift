import LianSystem

/// `package validate PATH`.
package struct ValidateCommand: CloacinaCommand {
    private let path: String
    private let surroundings: Surroundings

    package init(_ path: String, _ surroundings: Surroundings) {
        self.path = path
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        try await computing(&report) { report throws(CloacinaError) in
            let place = surroundings.path(path)
            guard let kind = fileKind(place) else { throw .unreadable(path, "there is nothing", .arguments) }
            do throws(CloacinaError) {
                if kind == .folder { try validateFolder(place, &report) } else { try validateArchive(place, &report) }
            } catch {
                throw error.asVerdict
            }
        }
    }

    private func validateFolder(_ folder: String, _ report: inout CloacinaReport) throws(CloacinaError) {
        let manifest = try PackageManifest(in: folder)
        report.package = CloacinaReport.Package(manifest, format: "source")
        try PackageLayout(folder, manifest).check()
        report.warnings += try SourceWalk(folder, surroundings.stop).warnings
    }

    private func validateArchive(_ place: String, _ report: inout CloacinaReport) throws(CloacinaError) {
        let archive = try StagedArchive(place, surroundings)
        archive.summary.warnOfTrailingBytes(path, &report)
        guard archive.summary.format == .bzip2 else {
            throw CloacinaError(
                .archiveFormat, .archive, "\(path) is a package of the form before, with manifest.json",
                hint: "No host reads it any more: pack the project by 'package pack' or 'build --format source'.")
        }
        report.artifact = archive.artifact(path: path, digest: try archive.members().digest(surroundings.stop))
        let manifest = try PackageManifest(in: archive.folder)
        let isLibrary = archive.library != nil
        report.package = CloacinaReport.Package(manifest, format: isLibrary ? "cdylib" : "source")
        if isLibrary {
            report.warn(
                .notForHosts, "hosts of today compile a package's sources, and cannot take a library in their place")
        } else {
            try PackageLayout(archive.folder, manifest).check()
        }
    }
}
