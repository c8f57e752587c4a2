import LianModel
import LianSystem

/// `build`, which was `cloaca build`: a package of a Python project.
package struct PythonBuildCommand: CloacinaCommand {
    package enum Format: String, CaseIterable, Sendable {
        /// With manifest.json, as `cloaca build` made it.
        case v2
        /// As hosts of today take it.
        case source
    }

    package var project = "."
    package var out = "."
    package var targets: [String] = []
    package var format = Format.v2
    package var python: String?
    package var pythonVersion: String?
    package var leavesDependenciesOut = false
    package var signingKey: String?
    package var isDryRun = false
    private let surroundings: Surroundings

    package init(_ surroundings: Surroundings) {
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        let key = try signingKey.map { key throws(CloacinaError) in
            try PrivateKey(KeySource(key, surroundings), &report)
        }
        let folder = surroundings.path(project)
        guard fileKind(folder) == .folder else {
            throw CloacinaError(
                .notAFolder, .arguments, "\(project) is not a folder", hint: "Name the project's folder by --project.")
        }
        let pyproject = try PyProject(project: folder)
        report.package = CloacinaReport.Package(
            name: pyproject.name, version: pyproject.version, language: "python", format: format.rawValue)
        let targets = try PackageTarget.all(named: targets)
        let version =
            if let pythonVersion {
                try PythonVersion(pythonVersion)
            } else {
                try PythonVersion(allowedBy: pyproject.requiresPython)
            }
        let entry = try EntryModule(pyproject.entryModule, project: folder)
        let interpreter = try PythonInterpreter(python, surroundings)
        let tasks = try await discover(entry, interpreter, &report)
        let name = "\(pyproject.name)-\(pyproject.version).\(PackageManifest.defaultExtension)"
        let build = PythonBuild(
            project: pyproject, targets: targets, tasks: tasks, createdAt: try createdAt(), format: format,
            name: out == "." ? name : "\(out)/\(name)", surroundings: surroundings)
        let workflow = try build.workflow(entry, &report)
        if isDryRun {
            report.plan = build.plan(workflow)
            return
        }
        if format == .v2 {
            report.warn(
                .legacyFormat,
                "no host has read packages of version 2 since March 2026: --format source makes what they take")
        }
        let staging = try StagingFolder(environment: surroundings.environment)
        let places = (vendor: "\(staging.path)/vendor", scratch: "\(staging.path)/scratch")
        do throws(SystemError) {
            try makeFolder(places.vendor)
            try makeFolder(places.scratch)
        } catch {
            throw .unwritable(staging.path, error)
        }
        let packages = try await Vendoring(
            interpreter: interpreter, targets: targets, python: version, tellsAll: surroundings.isVerbose,
            surroundings: surroundings
        ).vendor(
            leavesDependenciesOut ? [] : pyproject.dependencies, into: places.vendor, scratch: places.scratch, &report)
        try await computing(&report) { report throws(CloacinaError) in
            let whole = try build.write(workflow, vendored: places.vendor, packages, &report)
            guard let key else { return }
            try signBeside(
                surroundings.path(build.name), named: build.name, whole, by: key, surroundings, &report)
        }
    }

    private func discover(
        _ entry: EntryModule, _ interpreter: PythonInterpreter, _ report: inout CloacinaReport
    ) async throws(CloacinaError) -> [PythonTask] {
        let source: [UInt8]
        do throws(FileReadFailure) { source = try readFile(entry.path, limit: EntryModule.largest) } catch {
            throw .unreadable(entry.path, error.reason, .discovery)
        }
        let module = try await ParsedModule(source: source, file: entry.path, interpreter)
        surroundings.detail("Parsed \(entry.path) by Python \(module.pythonVersion)")
        let tasks = try PythonTask.all(in: module, file: entry.path, &report)
        let ids = tasks.map(\.id)
        report.package?.tasks = ids
        surroundings.tell("Found \(ids.count) task(s): \(ids.joined(separator: ", "))")
        return tasks
    }

    private func createdAt() throws(CloacinaError) -> String {
        let seconds = try sourceDate(surroundings.environment)
        let time = UTCTime(milliseconds: seconds.map { $0 * 1000 } ?? Timing.system.wallClock())
        return time.rfc3339.prefix { $0 != "." } + "Z"
    }
}
