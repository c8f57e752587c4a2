import LianModel
import LianSystem

/// `package inspect WHAT`, of what is on this machine.
package struct InspectCommand: CloacinaCommand {
    private let path: String
    /// Whether the library in it is run.
    private let isLoaded: Bool
    private let surroundings: Surroundings
    private let entry = Guarded<Entry?>(nil)
    private let unpacked = Guarded<StagedArchive?>(nil)

    package init(_ path: String, isLoaded: Bool, _ surroundings: Surroundings) {
        self.path = path
        self.isLoaded = isLoaded
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        // The command itself may outlive its run by a moment, in which the process ends.
        defer { unpacked.set(nil) }
        var library = PluginInspect(library: path, isLoaded: isLoaded, surroundings)
        if LibraryInspection.isLibrary(at: surroundings.path(path)) { return try await library.run(&report) }
        try await computing(&report) { report throws(CloacinaError) in try inspect(&report) }
        if let entry = entry.value { try await tellTasks(of: entry, &report) }
        guard isLoaded, case .object(var inspection)? = report.inspection else { return }
        var found = CloacinaReport()
        library.unpacked = unpacked.value
        defer {
            report.warnings += found.warnings
            inspection["library"] = found.inspection?["library"] ?? inspection["library"]
            report.inspection = .object(inspection)
        }
        try await library.run(&found)
    }

    /// The entry module of a package in Python, which outlives what was unpacked of the archive.
    private struct Entry: Sendable {
        let module: String
        let file: String
        let source: [UInt8]
    }

    private func tellTasks(of entry: Entry, _ report: inout CloacinaReport) async throws(CloacinaError) {
        do throws(CloacinaError) {
            let interpreter = try PythonInterpreter(surroundings.environment["CLOACA_PYTHON"], surroundings)
            let module = try await ParsedModule(source: entry.source, file: entry.file, interpreter)
            let tasks = try PythonTask.all(in: module, file: entry.file, &report)
            report.package?.tasks = tasks.map(\.id)
            if case .object(var members) = report.inspection {
                members["tasks"] = .array(tasks.map { $0.json(of: entry.module) })
                report.inspection = .object(members)
            }
        } catch {
            try surroundings.stop.check()
            report.warn(.tasksUnknown, "the tasks are not told: \(error.message)")
        }
    }

    private func inspect(_ report: inout CloacinaReport) throws(CloacinaError) {
        let place = surroundings.path(path)
        guard let kind = fileKind(place) else { throw .unreadable(path, "there is nothing", .arguments) }
        var inspection = Inspection()
        do throws(CloacinaError) {
            defer { report.inspection = inspection.json }
            if kind == .folder {
                try inspectFolder(place, &inspection, &report)
            } else {
                try inspectArchive(place, &inspection, &report)
            }
        } catch {
            throw error.asVerdict
        }
    }

    private func inspectFolder(
        _ folder: String, _ inspection: inout Inspection, _ report: inout CloacinaReport
    ) throws(CloacinaError) {
        inspection.format = "source"
        let walk = try SourceWalk(folder, surroundings.stop)
        report.warnings += walk.warnings
        for file in walk.files {
            let hash = SHA256()
            try file.read(surroundings.stop) { bytes throws(CloacinaError) in hash.update(bytes) }
            inspection.entries.append(
                EntryList.Entry(
                    path: file.path, bytes: file.size, isFolder: false, isExecutable: file.isExecutable,
                    sha256: hash.finish()))
        }
        try readManifest(in: folder, &inspection, &report)
    }

    private func inspectArchive(
        _ place: String, _ inspection: inout Inspection, _ report: inout CloacinaReport
    ) throws(CloacinaError) {
        var list: EntryList?
        let archive: StagedArchive
        do throws(CloacinaError) {
            archive = try StagedArchive(place, &list, surroundings)
        } catch {
            inspection.entries = list?.entries ?? []
            inspection.reasons.append(
                [.archiveTooLarge, .archiveTooManyEntries].contains(error.code) ? "over_limit" : error.code.rawValue)
            throw error
        }
        unpacked.set(archive)
        archive.summary.warnOfTrailingBytes(path, &report)
        inspection.entries = archive.entries
        if archive.summary.bytes > ArchiveLimits.uploadBytes { inspection.reasons.append("over_100_mib") }
        if archive.entries.contains(where: { $0.path == embeddedSignatureName }) {
            inspection.signatures.append(["kind": "embedded", "path": .string(embeddedSignatureName)])
        }
        if fileKind(place + Sidecar.suffix) == .regular {
            inspection.signatures.append(["kind": "sidecar", "path": .string(path + Sidecar.suffix)])
        }
        if archive.summary.format == .gzip {
            inspection.format = "v2"
            inspection.reasons.append("legacy_format")
            try readLegacyManifest(archive, &inspection, &report)
            return
        }
        report.artifact = archive.artifact(path: path, digest: try archive.members().digest(surroundings.stop))
        inspection.format = archive.library == nil ? "source" : "cdylib"
        if let library = archive.library {
            inspection.reasons.append("not_for_hosts")
            inspection.library = try LibraryInspection(at: "\(archive.folder)/\(library)", named: library)
        }
        try readManifest(in: archive.folder, &inspection, &report)
    }

    private func readManifest(
        in folder: String, _ inspection: inout Inspection, _ report: inout CloacinaReport
    ) throws(CloacinaError) {
        let manifest: PackageManifest
        do throws(CloacinaError) {
            manifest = try PackageManifest(in: folder)
        } catch {
            inspection.reasons.append(error.code.rawValue)
            throw error
        }
        inspection.manifest = manifest.document.json
        report.package = CloacinaReport.Package(manifest, format: inspection.format ?? "source")
        guard inspection.format == "source" else { return }
        // What a host would say is told; the package is looked into all the same.
        do throws(CloacinaError) { try PackageLayout(folder, manifest).check() } catch {
            inspection.reasons.append(error.code.rawValue)
        }
        if manifest.language == "python", let name = manifest.entryModule,
            let module = try? EntryModule(name, project: "\(folder)/workflow"),
            let source = try? readFile(module.path, limit: EntryModule.largest)
        {
            entry.set(Entry(module: name, file: "workflow/\(module.file)", source: source))
        }
    }

    private func readLegacyManifest(
        _ archive: StagedArchive, _ inspection: inout Inspection, _ report: inout CloacinaReport
    ) throws(CloacinaError) {
        report.artifact = archive.artifact(path: path, digest: nil)
        let bytes = try archive.bytes(of: "manifest.json") ?? []
        let manifest: JSONValue
        do throws(JSONSyntaxError) { manifest = try JSONValue.parse(bytes) } catch {
            throw CloacinaError(
                .manifestInvalid, .archive, "manifest.json in \(path) is not JSON: \(error)", hint: "Build it anew.")
        }
        inspection.manifest = manifest
        guard let name = manifest["package"]?["name"]?.stringValue,
            let version = manifest["package"]?["version"]?.stringValue
        else {
            throw CloacinaError(
                .manifestInvalid, .archive, "manifest.json in \(path) names no package", hint: "Build it anew.")
        }
        inspection.tasks = manifest["tasks"]
        let ids = (manifest["tasks"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue }
        report.package = CloacinaReport.Package(
            name: name, version: version, language: manifest["language"]?.stringValue, format: "v2", tasks: ids)
        report.artifact?.fingerprint = manifest["package"]?["fingerprint"]?.stringValue
        try archive.checkFingerprint(path, surroundings.stop)
    }
}

/// What was seen.
private struct Inspection: JSONEncodable {
    var format: String?
    var entries: [EntryList.Entry] = []
    var manifest: JSONValue?
    var tasks: JSONValue?
    var library: LibraryInspection?
    var signatures: [JSONValue] = []
    /// Why hosts do not accept it.
    var reasons: [String] = []

    var json: JSONValue {
        [
            "format": format.map { .string($0) } ?? .null, "entries": .array(entries.map(\.json)),
            "manifest": manifest ?? .null, "tasks": tasks ?? .null, "library": library?.json ?? .null,
            "signatures": .array(signatures),
            "hosts": ["accepted": .bool(reasons.isEmpty), "reasons": reasons.json],
        ]
    }
}
