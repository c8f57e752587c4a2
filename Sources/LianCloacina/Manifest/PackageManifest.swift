import LianModel
import LianSystem

/// A package.toml with its defaults added: what the author wrote always wins.
package struct PackageManifest: Equatable, Sendable {
    package let name: String
    package let version: String
    package let `extension`: String
    package let language: String
    package let entryModule: String?
    package let graphName: String?
    package let document: TOMLTable
    /// What was added, as `package.interface`.
    package let resolved: [String]
    /// What travels: the author's own bytes where nothing was added.
    package let bytes: [UInt8]

    package static let fileName = "package.toml"
    package static let defaultInterface = "cloacina-workflow-plugin"
    package static let defaultExtension = "cloacina"

    package var stem: String { "\(name)-\(version)" }

    /// Of the folder's package.toml; what it leaves out is told by what else is in the folder.
    package init(in folder: String) throws(CloacinaError) {
        let path = "\(folder)/\(Self.fileName)"
        guard let file = try TOMLFile(path, .manifestInvalid, .project) else {
            throw CloacinaError(
                .manifestMissing, .project, "there is no \(Self.fileName) in \(folder)",
                hint: "Write one, with [package] name and version and [metadata] workflow_name.")
        }
        var document = file.document
        var resolved: [String] = []
        let reader = ManifestReader(path: path)
        guard var package = try reader.table("package", of: document) else {
            throw reader.invalid("it has no table [package]")
        }
        guard let name = try reader.string("name", of: package, in: "package"),
            let version = try reader.string("version", of: package, in: "package")
        else { throw reader.invalid("[package] names no name or no version") }
        try PackageNames.check(name: name)
        try PackageNames.check(version: version)
        func add(_ key: String, _ value: TOMLValue, to table: inout TOMLTable, _ tableName: String) {
            table[key] = value
            resolved.append("\(tableName).\(key)")
        }
        if try reader.string("interface", of: package, in: "package") == nil {
            add("interface", .string(Self.defaultInterface), to: &package, "package")
        }
        switch package["interface_version"] {
        case .integer(let number) where (0...Int64(UInt32.max)).contains(number): break
        case nil: add("interface_version", .integer(1), to: &package, "package")
        default: throw reader.invalid("package.interface_version must be a whole number from 0 to 4294967295")
        }
        if try reader.string("extension", of: package, in: "package") == nil {
            add("extension", .string(Self.defaultExtension), to: &package, "package")
        }
        let `extension` = package["extension"]?.string ?? Self.defaultExtension
        guard (1...16).contains(`extension`.utf8.count),
            `extension`.utf8.allSatisfy({ Identifier.isLowercase($0) || Identifier.isDigit($0) })
        else { throw reader.invalid("package.extension must be 1 to 16 of a-z and 0-9") }
        let runtime = try reader.string("runtime", of: package, in: "package")
        try Self.checkRuntime(runtime, document, reader)

        var metadata = try reader.table("metadata", of: document) ?? TOMLTable()
        try Self.checkKeys(of: metadata, reader)
        if try reader.string("language", of: metadata, in: "metadata") == nil {
            add("language", .string(try Self.language(of: folder)), to: &metadata, "metadata")
        }
        let language = metadata["language"]?.string ?? ""
        guard ["rust", "python", "wasm"].contains(language) else {
            throw CloacinaError(
                .languageUnknown, .project, "metadata.language in \(path) is '\(onOneLine(language, limit: 40))'",
                hint: "It is rust or python.")
        }
        if language == "python", try reader.string("entry_module", of: metadata, in: "metadata") == nil {
            let module = String(
                decoding: name.utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
            add("entry_module", .string("\(module).tasks"), to: &metadata, "metadata")
        }
        document["package"] = .table(package)
        document["metadata"] = .table(metadata)
        self.name = name
        self.version = version
        self.extension = `extension`
        self.language = language
        entryModule = try reader.string("entry_module", of: metadata, in: "metadata")
        graphName = try reader.string("graph_name", of: metadata, in: "metadata")
        self.document = document
        self.resolved = resolved
        bytes =
            resolved.isEmpty
            ? file.bytes : encodedTOML(document, first: ["package", "metadata", "python", "wasm"])
    }

    private static func checkRuntime(
        _ runtime: String?, _ document: TOMLTable, _ reader: ManifestReader
    ) throws(CloacinaError) {
        if let runtime, !["rust", "python", "wasm"].contains(runtime) {
            throw CloacinaError(
                .runtimeUnknown, .project, "package.runtime in \(reader.path) is '\(onOneLine(runtime, limit: 40))'",
                hint: "It is rust, python or wasm; or leave it out.")
        }
        for name in ["python", "wasm"] {
            let isThere = try reader.table(name, of: document) != nil
            guard isThere == (runtime == name) else {
                throw CloacinaError(
                    .runtimeMismatch, .project,
                    isThere
                        ? "\(reader.path) has a table [\(name)], and package.runtime is not \(name)"
                        : "package.runtime in \(reader.path) is \(name), and there is no table [\(name)]",
                    hint: "The table [\(name)] is there exactly when package.runtime = \"\(name)\".")
            }
        }
    }

    private static let metadataKeys = [
        "workflow_name", "graph_name", "language", "description", "author", "requires_python", "entry_module",
        "reaction_mode", "input_strategy", "accumulators", "providers",
    ]

    private static let replacedKeys = [
        "package_type": "What a package holds is told by what its code declares.",
        "triggers": "Triggers are declared in the code: #[trigger(…)] in Rust, @cloaca.trigger in Python.",
    ]

    private static func checkKeys(of metadata: TOMLTable, _ reader: ManifestReader) throws(CloacinaError) {
        for key in metadata.keys where !metadataKeys.contains(key) {
            let nearest = nearestName(to: key, among: metadataKeys).map { "Did you mean '\($0)'?" }
            throw CloacinaError(
                .metadataUnknownKey, .project,
                "[metadata] in \(reader.path) has the key '\(onOneLine(key, limit: 40))', which hosts refuse",
                hint: replacedKeys[key] ?? nearest ?? "The keys are \(metadataKeys.joined(separator: ", ")).")
        }
    }

    private static func language(of folder: String) throws(CloacinaError) -> String {
        let isRust = fileKind("\(folder)/Cargo.toml") == .regular && fileKind("\(folder)/src/lib.rs") == .regular
        let isPython = fileKind("\(folder)/workflow") == .folder
        switch (isRust, isPython) {
        case (true, false): return "rust"
        case (false, true): return "python"
        case (true, true):
            throw CloacinaError(
                .languageAmbiguous, .project,
                "\(folder) has Cargo.toml and src/lib.rs, as a package in Rust, and workflow/, as one in Python",
                hint: "Name the language in [metadata].")
        case (false, false):
            throw CloacinaError(
                .languageUnknown, .project,
                "\(folder) has neither Cargo.toml and src/lib.rs, as a package in Rust, nor workflow/, as one in Python",
                hint: "Put the sources there, or name the language in [metadata].")
        }
    }
}

/// Reads typed values out of a manifest.
private struct ManifestReader {
    let path: String

    func table(_ name: String, of document: TOMLTable) throws(CloacinaError) -> TOMLTable? {
        guard let value = document[name] else { return nil }
        guard let table = value.table else { throw invalid("\(name) must be a table") }
        return table
    }

    func string(_ key: String, of table: TOMLTable, in name: String) throws(CloacinaError) -> String? {
        guard let value = table[key] else { return nil }
        guard let text = value.string else { throw invalid("\(name).\(key) must be a string") }
        return text
    }

    func invalid(_ what: String) -> CloacinaError {
        CloacinaError(
            .manifestInvalid, .project, "\(path) is not as hosts want it: \(what)", hint: "Mend it, then try again.")
    }
}
