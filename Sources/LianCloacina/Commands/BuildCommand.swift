import LianSystem

/// `package build DIR`: the crate is checked, then compiled, here or on a runner. A package in Python needs no
/// compiling.
package struct BuildCommand: CloacinaCommand {
    private let folder: String
    private let isRelease: Bool
    /// Directives of lian-build's, where a runner compiles it.
    package var remote: String?
    private let surroundings: Surroundings

    package init(_ folder: String, isRelease: Bool, _ surroundings: Surroundings) {
        self.folder = folder
        self.isRelease = isRelease
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        try await computing(&report) { report throws(CloacinaError) in try build(&report) }
    }

    private func build(_ report: inout CloacinaReport) throws(CloacinaError) {
        let root = surroundings.path(folder)
        guard fileKind(root) == .folder else {
            throw CloacinaError(
                .notAFolder, .project, "\(folder) is not a folder", hint: "Name the folder of the package.")
        }
        let hasCrate = fileKind("\(root)/Cargo.toml") == .regular
        if fileKind("\(root)/\(PackageManifest.fileName)") != nil, !hasCrate, fileKind("\(root)/workflow") != .folder {
            throw CloacinaError(
                .cargoTomlMissing, .project, "there is no Cargo.toml in \(folder)", hint: "Name the folder of a crate.")
        }
        let manifest = try PackageManifest(in: root)
        report.package = CloacinaReport.Package(manifest, format: "source")
        guard manifest.language == "rust" else {
            surroundings.tell("Nothing to compile: \(manifest.name) is a package in \(manifest.language)")
            return
        }
        let crate = try Crate(root)
        let arguments = try crate.cargoArguments(isRelease: isRelease, &report)
        if let remote {
            return try RemoteBuild(
                root: root, directives: remote, isRelease: isRelease, surroundings: surroundings
            ).run(arguments)
        }
        let cargo = try self.cargo()
        surroundings.detail("Running in \(folder): \(cargo) \(arguments.joined(separator: " "))")
        let ending: Termination
        do throws(SystemError) {
            ending = try runAttached(
                Command(cargo, arguments, environment: surroundings.environment, workingDirectory: root),
                surroundings.stop)
        } catch {
            throw CloacinaError(
                .internalError, .compile, "\(cargo) cannot be started: \(error)", hint: "Look at the file.")
        }
        try surroundings.stop.check()
        guard ending.isSuccess else {
            throw CloacinaError(
                .cargoFailed, .compile, "cargo \(arguments.joined(separator: " ")) ended with \(ending.words)",
                hint: "Mend what cargo says above.")
        }
    }

    private func cargo() throws(CloacinaError) -> String {
        let named = surroundings.environment["CARGO"].flatMap { $0.isEmpty ? nil : $0 }
        guard let found = findExecutable(named ?? "cargo", path: surroundings.environment["PATH"]) else {
            throw CloacinaError(
                .cargoMissing, .compile,
                named.map { "CARGO names \($0), and there is no such program" } ?? "there is no cargo",
                hint: "Install Rust, or put cargo on PATH; hosts compile the package also without this.")
        }
        return found
    }
}
