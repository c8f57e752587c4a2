import LianModel
import LianSystem

/// What `validate` and `pack` ask of a package's folder before a host would.
package struct PackageLayout: Sendable {
    package let folder: String
    package let manifest: PackageManifest

    package init(_ folder: String, _ manifest: PackageManifest) {
        self.folder = folder
        self.manifest = manifest
    }

    package func check() throws(CloacinaError) {
        switch manifest.language {
        case "rust": try checkRust()
        case "python": try checkPython()
        default:
            throw CloacinaError(
                .languageUnknown, .project, "packages in \(manifest.language) are not packed here",
                hint: "A package's language is rust or python.")
        }
    }

    // MARK: Rust

    private func checkRust() throws(CloacinaError) {
        for name in ["Cargo.toml", "src/lib.rs"] where fileKind("\(folder)/\(name)") != .regular {
            throw CloacinaError(
                .layoutInvalid, .project, "a package in Rust has \(name), and \(folder) has none",
                hint: "Hosts compile the crate from Cargo.toml and src/lib.rs.")
        }
        if holds(try bytes(of: "Cargo.toml"), "__WORKSPACE__") {
            throw CloacinaError(
                .cargoPlaceholder, .project, "\(folder)/Cargo.toml still holds the placeholder __WORKSPACE__",
                hint: "Put a crate's version, or a path that a host has, in its place.")
        }
        let source = try bytes(of: "src/lib.rs")
        if manifest.graphName == nil, holds(source, "computation_graph(") { throw graphNameMissing("src/lib.rs") }
        let attributes = RustAttributes(source)
        let subscribed = attributes.subscribedTriggers
        for name in attributes.cronTriggers where subscribed.contains(name) {
            throw CloacinaError(
                .cronTriggerSubscribed, .project,
                "the trigger '\(name)' goes by cron and is also in #[workflow(triggers = […])]",
                hint: "A cron trigger names its workflow by 'on': take it out of the workflow's list.")
        }
    }

    // MARK: Python

    private func checkPython() throws(CloacinaError) {
        guard fileKind("\(folder)/workflow") == .folder else {
            throw CloacinaError(
                .layoutInvalid, .project, "a package in Python has its modules in workflow/, and \(folder) has none",
                hint: "Move them there.")
        }
        let module = manifest.entryModule ?? ""
        let path = "workflow/" + module.split(separator: ".", omittingEmptySubsequences: false).joined(separator: "/")
        let candidates = ["\(path).py", "\(path)/__init__.py"]
        let isPath = !module.isEmpty && !module.contains("/") && !module.hasPrefix(".") && !module.contains("..")
        guard isPath, let entry = candidates.first(where: { fileKind("\(folder)/\($0)") == .regular }) else {
            throw CloacinaError(
                .entryModuleMissing, .project,
                "the entry module '\(onOneLine(module, limit: 100))' is neither \(candidates[0]) nor \(candidates[1])",
                hint: "metadata.entry_module names it from workflow/ on, with dots.")
        }
        if let name = try shadowed() {
            throw CloacinaError(
                .stdlibShadowed, .project, "\(name) is called like a module of Python that hosts deny to packages",
                hint: "Give it another name.")
        }
        let source = try bytes(of: entry)
        if manifest.graphName == nil,
            ["ComputationGraphBuilder", "cloaca.reactor"].contains(where: { holds(source, $0) })
        {
            throw graphNameMissing(entry)
        }
    }

    private static let deniedModules: Set<Substring> = [
        "os", "sys", "subprocess", "shutil", "socket", "http", "urllib", "ctypes", "importlib", "pathlib", "io", "json",
        "pickle", "marshal", "code", "codeop", "compile", "compileall", "builtins", "signal", "multiprocessing",
        "threading", "tempfile", "glob", "fnmatch",
    ]

    /// The first at the top of workflow/ or vendor/ whose module's name is one of these.
    private func shadowed() throws(CloacinaError) -> String? {
        for top in ["workflow", "vendor"] where fileKind("\(folder)/\(top)") == .folder {
            do throws(SystemError) {
                for name in try folderEntries("\(folder)/\(top)") {
                    let isPackage = fileKind("\(folder)/\(top)/\(name)") == .folder
                    let isModule = [".py", ".pyc", ".so"].contains { name.hasSuffix($0) }
                    let module = isPackage ? name[...] : name.prefix { $0 != "." }
                    if isPackage || isModule, Self.deniedModules.contains(module) { return "\(top)/\(name)" }
                }
            } catch {
                throw .unreadable("\(folder)/\(top)", error.reason, .project)
            }
        }
        return nil
    }

    // MARK: Both

    private func graphNameMissing(_ file: String) -> CloacinaError {
        CloacinaError(
            .graphNameMissing, .project, "\(file) makes a computation graph, and metadata.graph_name does not name it",
            hint: "Add graph_name to [metadata] in package.toml.")
    }

    private func bytes(of name: String) throws(CloacinaError) -> [UInt8] {
        do throws(FileReadFailure) {
            return try readFile("\(folder)/\(name)", limit: 16 << 20)
        } catch {
            throw .unreadable("\(folder)/\(name)", error.reason, .project)
        }
    }

    private func holds(_ bytes: [UInt8], _ word: String) -> Bool {
        String(decoding: bytes, as: UTF8.self).contains(word)
    }
}
