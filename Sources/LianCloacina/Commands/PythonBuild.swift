import LianModel
import LianSystem

/// The archive of a Python project, of which everything is known but its dependencies.
struct PythonBuild: Sendable {
    let project: PyProject
    let targets: [PackageTarget]
    let tasks: [PythonTask]
    let createdAt: String
    let format: PythonBuildCommand.Format
    /// The archive's, as the caller has it.
    let name: String
    let surroundings: Surroundings

    private static let lockName = "requirements.lock"

    private var place: String {
        let path = surroundings.path(name)
        return realPath(path) ?? path
    }

    /// The modules of the entry module's top package, or its file.
    func workflow(_ entry: EntryModule, _ report: inout CloacinaReport) throws(CloacinaError) -> [ArchiveMember] {
        let walk = try SourceWalk(
            entry.root, below: entry.top, by: .modules, leavingOut: [place, place + Sidecar.suffix],
            surroundings.stop)
        report.warnings += walk.warnings
        return walk.files.map { ArchiveMember("workflow/\($0.path)", .file($0)) }
    }

    func plan(_ workflow: [ArchiveMember]) -> JSONValue {
        let manifest = format == .v2 ? LegacyManifest.fileName : PackageManifest.fileName
        return [
            "name": .string(project.name), "version": .string(project.version), "path": .string(name),
            "format": .string(format.rawValue), "targets": .array(targets.map { .string($0.rawValue) }),
            "tasks": .array(tasks.map { $0.json(of: project.entryModule) }),
            "entries": ([manifest] + workflow.map(\.path) + [Self.lockName]).json,
            "dependencies": project.dependencies.json,
        ]
    }

    /// Writes the archive, and tells what came of it. Returns the hash of its file.
    func write(
        _ workflow: [ArchiveMember], vendored folder: String, _ packages: VendoredPackages,
        _ report: inout CloacinaReport
    ) throws(CloacinaError) -> [UInt8] {
        let vendored = try SourceWalk(folder, by: .modules, surroundings.stop).files.map {
            ArchiveMember("vendor/\($0.path)", .file($0))
        }
        let lock = ArchiveMember(Self.lockName, .bytes(Array(packages.lock.utf8)))
        let members = workflow + vendored + [lock]
        try makeOutputFolder()
        switch format {
        case .v2: return try writeLegacy(members, &report)
        case .source: return try writeSource(members, &report)
        }
    }

    private func writeSource(
        _ members: [ArchiveMember], _ report: inout CloacinaReport
    ) throws(CloacinaError) -> [UInt8] {
        let manifest = encodedTOML(project.packageTOML, first: ["package", "metadata"])
        let all = (members + [ArchiveMember(PackageManifest.fileName, .bytes(manifest))]).inOrder
        let modified = try sourceDate(surroundings.environment) ?? 0
        var digest: [UInt8] = []
        let whole = try output.write(&report, surroundings.stop) { draft throws(CloacinaError) in
            digest = try writeArchive(
                all, top: "\(project.name)-\(project.version)", modified: modified, to: draft, surroundings.stop)
        } checking: { draft, _ throws(CloacinaError) in
            let archive = try StagedArchive(draft, surroundings)
            try PackageLayout(archive.folder, PackageManifest(in: archive.folder)).check()
        }
        return tell(whole, digest: hexadecimal(digest), fingerprint: nil, entries: all.count, &report)
    }

    private func writeLegacy(
        _ members: [ArchiveMember], _ report: inout CloacinaReport
    ) throws(CloacinaError) -> [UInt8] {
        let manifest = LegacyManifest(project: project, targets: targets, tasks: tasks, createdAt: createdAt)
        func all(_ fingerprint: String) -> [ArchiveMember] {
            members + [ArchiveMember(LegacyManifest.fileName, .bytes(manifest.bytes(fingerprint: fingerprint)))]
        }
        let fingerprint = LegacyManifest.fingerprint(of: try all("").inOrder.digest(surroundings.stop))
        let modified = try sourceDate(surroundings.environment) ?? 0
        let whole = try output.write(&report, surroundings.stop) { draft throws(CloacinaError) in
            try writeLegacyArchive(
                all(fingerprint), folders: ["workflow", "vendor"], modified: modified, to: draft, surroundings.stop)
        } checking: { draft, _ throws(CloacinaError) in
            _ = try readArchive(draft, stop: surroundings.stop)
        }
        return tell(whole, digest: nil, fingerprint: fingerprint, entries: members.count + 1, &report)
    }

    private var output: ArchiveOutput { ArchiveOutput(name: name, place: place, allowsOverLimits: false) }

    private func tell(
        _ whole: (bytes: Int, sha256: [UInt8]), digest: String?, fingerprint: String?, entries: Int,
        _ report: inout CloacinaReport
    ) -> [UInt8] {
        report.artifact = CloacinaReport.Artifact(
            path: name, bytes: whole.bytes, sha256: hexadecimal(whole.sha256), digest: digest, fingerprint: fingerprint,
            entries: entries)
        surroundings.tell("Created: \(name)")
        if let fingerprint { surroundings.tell("Fingerprint: \(fingerprint)") }
        return whole.sha256
    }

    private func makeOutputFolder() throws(CloacinaError) {
        let folder = parentFolder(surroundings.path(name))
        do throws(SystemError) { try makeFolder(folder, mode: 0o755) } catch { throw .unwritable(folder, error) }
        guard fileKind(folder) == .folder, fileKind(place) != .folder else {
            throw CloacinaError(
                .invalidArgument, .arguments, "\(name) cannot be written: a file or a folder is in its way",
                hint: "Name another folder by --output.")
        }
    }
}
