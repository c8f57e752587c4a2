import LianModel
import Glibc
import LianSystem

/// `package unpack ARCHIVE`.
package struct UnpackCommand: CloacinaCommand {
    private let archive: String
    private let out: String
    private let surroundings: Surroundings

    package init(_ archive: String, out: String?, _ surroundings: Surroundings) {
        self.archive = archive
        self.out = out ?? "."
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        try await computing(&report) { report throws(CloacinaError) in try unpack(&report) }
    }

    private func unpack(_ report: inout CloacinaReport) throws(CloacinaError) {
        let goal = surroundings.path(out)
        guard fileKind(goal) == .folder else {
            throw CloacinaError(
                .notAFolder, .arguments, "\(out) is not a folder", hint: "Name a folder that exists, by --out.")
        }
        // Beside the goal, so that what is whole can be moved there at once.
        let staging = try StagingFolder(in: goal, named: ".unpack-")
        let summary = try readArchive(
            surroundings.path(archive), stop: surroundings.stop, visitor: Unpacker(into: staging.path))
        // The form before has no folder of its own.
        let top = summary.top ?? Self.stem(of: archive)
        let place = "\(goal)/\(top)"
        guard fileKind(place) == nil else {
            throw CloacinaError(
                .fileExists, .output, "\(out)/\(top) is there already",
                hint: "Remove it, or name another folder by --out.")
        }
        let made = summary.top.map { "\(staging.path)/\($0)" } ?? staging.path
        chmod(made, 0o755)
        guard rename(made, place) == 0 else { throw .unwritable(place, SystemError("rename")) }
        summary.warnOfTrailingBytes(archive, &report)
        report.artifact = CloacinaReport.Artifact(
            path: out == "." ? top : "\(out)/\(top)", bytes: summary.bytes, sha256: hexadecimal(summary.sha256),
            entries: summary.files)
        if let manifest = try? PackageManifest(in: place) {
            report.package = CloacinaReport.Package(manifest, format: "source")
        }
        surroundings.tell("Created: \(report.artifact?.path ?? top)")
    }

    private static func stem(of path: String) -> String {
        let name = pathParts(path).last.map(String.init) ?? "package"
        return name.hasSuffix(".cloacina") ? String(name.dropLast(".cloacina".count)) : "\(name).unpacked"
    }
}
