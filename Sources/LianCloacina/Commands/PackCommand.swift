import LianModel
import LianSystem

/// `package pack DIR`.
package struct PackCommand: CloacinaCommand {
    package enum Layout: String, CaseIterable, Sendable { case source, cdylib }

    package let folder: String
    package var out: String?
    package var layout = Layout.source
    package var isRelease = false
    package var targetFolder: String?
    package var signingKey: String?
    package var embeddingKey: String?
    package var allowsOverLimits = false
    package var isDryRun = false
    private let surroundings: Surroundings

    package init(_ folder: String, _ surroundings: Surroundings) {
        self.folder = folder
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        try await computing(&report) { report throws(CloacinaError) in try pack(&report) }
    }

    private func pack(_ report: inout CloacinaReport) throws(CloacinaError) {
        let root = surroundings.path(folder)
        guard fileKind(root) == .folder else {
            throw CloacinaError(
                .notAFolder, .project, "\(folder) is not a folder", hint: "Name the folder of the package.")
        }
        let manifest = try PackageManifest(in: root)
        report.package = CloacinaReport.Package(manifest, format: layout.rawValue)
        try PackageLayout(root, manifest).check()
        let keys = try (
            sidecar: signingKey.map { key throws(CloacinaError) in try privateKey(key, &report) },
            embedded: embeddingKey.map { key throws(CloacinaError) in try privateKey(key, &report) }
        )
        let name = out ?? "\(manifest.stem).\(manifest.extension)"
        let place = try outputPlace(name)
        var members = try self.members(root, manifest, place, &report)
        if let key = keys.embedded {
            let digest = try members.digest(surroundings.stop)
            members = (members + [ArchiveMember(embeddedSignatureName, .bytes(try key.signature(of: digest)))]).inOrder
            report.signatures.append(key.report(.embedded, embeddedSignatureName))
        }
        for member in members { surroundings.detail("Travels: \(member.path), \(member.size) bytes") }
        if isDryRun {
            report.plan = [
                "name": .string(manifest.name), "version": .string(manifest.version), "path": .string(name),
                "entries": .array(members.map { ["path": .string($0.path), "bytes": .integer($0.size)] }),
            ]
            report.signatures = []
            return
        }
        let archive = try write(members, manifest, name, place, &report)
        report.artifact = archive.artifact
        surroundings.tell("Created: \(name)")
        if let key = keys.sidecar {
            try signBeside(place, named: name, archive.sha256, by: key, surroundings, &report)
        }
    }

    private func privateKey(_ key: String, _ report: inout CloacinaReport) throws(CloacinaError) -> PrivateKey {
        try PrivateKey(KeySource(key, surroundings), &report)
    }

    private func outputPlace(_ name: String) throws(CloacinaError) -> String {
        let place = surroundings.path(name)
        func refusal(_ what: String) -> CloacinaError {
            CloacinaError(
                .invalidArgument, .arguments, "--out \(name): \(what)", hint: "Name a file in a folder that exists.")
        }
        if let kind = fileKind(place), kind != .regular { throw refusal("there is a folder, or no plain file") }
        guard let parent = realPath(parentFolder(place)), fileKind(parent) == .folder else {
            throw refusal("its folder does not exist")
        }
        // Where a link stands, the file that it leads to is replaced.
        return realPath(place) ?? "\(parent)/\(pathParts(place).last ?? "")"
    }

    private func members(
        _ root: String, _ manifest: PackageManifest, _ place: String, _ report: inout CloacinaReport
    ) throws(CloacinaError) -> [ArchiveMember] {
        let manifestMember = ArchiveMember(PackageManifest.fileName, .bytes(manifest.bytes))
        if layout == .cdylib {
            let library = try CrateLibrary(root).find(
                isRelease: isRelease, targetFolder: targetFolder.map(surroundings.path))
            report.warn(
                .notForHosts, "hosts of today compile a package's sources, and cannot take a library in their place")
            return [manifestMember, ArchiveMember(library.path, .file(library))].inOrder
        }
        let walk = try SourceWalk(root, leavingOut: [place, place + Sidecar.suffix], surroundings.stop)
        report.warnings += walk.warnings
        var members: [ArchiveMember] = []
        for file in walk.files {
            switch file.path {
            case PackageManifest.fileName where !manifest.resolved.isEmpty: members.append(manifestMember)
            case embeddedSignatureName where embeddingKey != nil: break
            case embeddedSignatureName:
                report.warn(
                    .packageSigNotChecked, "\(file.path) travels as it is: whether it still fits was not checked")
                members.append(ArchiveMember(file.path, .file(file)))
            default: members.append(ArchiveMember(file.path, .file(file)))
            }
        }
        return members
    }

    private func write(
        _ members: [ArchiveMember], _ manifest: PackageManifest, _ name: String, _ place: String,
        _ report: inout CloacinaReport
    ) throws(CloacinaError) -> (artifact: CloacinaReport.Artifact, sha256: [UInt8]) {
        let modified = try sourceDate(surroundings.environment) ?? 0
        var digest: [UInt8] = []
        let output = ArchiveOutput(name: name, place: place, allowsOverLimits: allowsOverLimits)
        let whole = try output.write(&report, surroundings.stop) { draft throws(CloacinaError) in
            digest = try writeArchive(members, top: manifest.stem, modified: modified, to: draft, surroundings.stop)
        } checking: { _, bytes throws(CloacinaError) in
            // What was just compressed is not decompressed for this: its members and its size are known.
            try members.check(top: manifest.stem, archive: name, bytes: bytes)
        }
        let artifact = CloacinaReport.Artifact(
            path: name, bytes: whole.bytes, sha256: hexadecimal(whole.sha256), digest: hexadecimal(digest),
            entries: members.count)
        return (artifact, whole.sha256)
    }
}

/// The signature that travels in the archive.
package let embeddedSignatureName = "package.sig"

extension CloacinaReport.Package {
    package init(_ manifest: PackageManifest, format: String, tasks: [String]? = nil) {
        self.init(
            name: manifest.name, version: manifest.version, language: manifest.language, format: format, tasks: tasks)
        resolved = manifest.resolved
    }
}
