/// What pyproject.toml says that a package is made of.
package struct PyProject: Equatable, Sendable {
    package var name: String
    package var version: String
    package var description: String?
    /// The name of the first one.
    package var author: String?
    package var requiresPython: String?
    /// As PEP 508 writes them.
    package var dependencies: [String] = []
    package var entryModule: String
    package var workflowName: String?

    package var requiresPythonOrDefault: String { requiresPython ?? ">=3.10" }

    /// What a package of today is told about it.
    var packageTOML: TOMLTable {
        var package = TOMLTable()
        package["name"] = .string(name)
        package["version"] = .string(version)
        package["interface"] = .string(PackageManifest.defaultInterface)
        package["interface_version"] = .integer(1)
        package["extension"] = .string(PackageManifest.defaultExtension)
        var metadata = TOMLTable()
        metadata["workflow_name"] = .string(
            workflowName
                ?? name.split(separator: "-", omittingEmptySubsequences: false)
                .joined(separator: "_"))
        metadata["language"] = .string("python")
        metadata["description"] = description.map { .string($0) }
        metadata["author"] = author.map { .string($0) }
        metadata["requires_python"] = .string(requiresPythonOrDefault)
        metadata["entry_module"] = .string(entryModule)
        var document = TOMLTable()
        document["package"] = .table(package)
        document["metadata"] = .table(metadata)
        return document
    }

    /// Reads the file in the project's folder.
    package init(project: String) throws(CloacinaError) {
        guard let file = try TOMLFile("\(project)/pyproject.toml", .pyprojectInvalid, .project) else {
            throw .pyproject(
                .pyprojectMissing, "there is no pyproject.toml in \(project)",
                hint: "Go to the project's folder, or name it with --project DIR.")
        }
        try self.init(file.document)
    }

    init(_ document: TOMLTable) throws(CloacinaError) {
        let project = try Section(document, "project", within: nil)
        let dynamic = try project.texts("dynamic") ?? []
        name = try project.requiredText("name", dynamic)
        version = try project.requiredText("version", dynamic)
        try PackageNames.check(name: name)
        try PackageNames.check(version: version)
        description = try project.text("description")
        requiresPython = try project.text("requires-python")
        author = try project.firstAuthor()
        if dynamic.contains("dependencies") {
            throw .pyproject(
                .dependencyUnsupported, "project.dependencies is dynamic: only a build of the project would tell it",
                hint: "Write the dependencies into pyproject.toml.")
        }
        dependencies = try project.texts("dependencies") ?? []
        var cloaca = try Section(document, "tool", within: nil, missing: "tool.cloaca")
        cloaca = try Section(cloaca.table, "cloaca", within: "tool")
        entryModule = try cloaca.requiredText("entry_module", [])
        workflowName = try cloaca.text("workflow_name")
    }
}

extension CloacinaError {
    static func pyproject(_ code: CloacinaCode, _ message: String, hint: String) -> CloacinaError {
        CloacinaError(code, .project, message, hint: hint)
    }
}

/// A table of the file, and its name for messages.
private struct Section {
    let name: String
    let table: TOMLTable

    init(_ parent: TOMLTable, _ key: String, within outer: String?, missing: String? = nil) throws(CloacinaError) {
        name = outer.map { "\($0).\(key)" } ?? key
        switch parent[key] {
        case .table(let found): table = found
        case nil: throw Self.absent(missing ?? name, hint: "Add the table [\(missing ?? name)].")
        default: throw Self.wrong(name, "is no table")
        }
    }

    func text(_ key: String) throws(CloacinaError) -> String? {
        switch table[key] {
        case nil: return nil
        case .string(let text): return text
        default: throw Self.wrong("\(name).\(key)", "is no text")
        }
    }

    func requiredText(_ key: String, _ dynamic: [String]) throws(CloacinaError) -> String {
        if let text = try text(key) { return text }
        let hint =
            dynamic.contains(key)
            ? "It is in project.dynamic, which only a build of the project would tell: write \(key) itself there."
            : "Add a line \(key) = \"…\" to the table [\(name)]."
        throw Self.absent("\(name).\(key)", hint: hint)
    }

    func texts(_ key: String) throws(CloacinaError) -> [String]? {
        guard let value = table[key] else { return nil }
        guard case .array(let items) = value else { throw Self.wrong("\(name).\(key)", "is no list") }
        var texts: [String] = []
        for item in items {
            guard case .string(let text) = item else {
                throw Self.wrong("\(name).\(key)", "holds something that is no text")
            }
            texts.append(text)
        }
        return texts
    }

    func firstAuthor() throws(CloacinaError) -> String? {
        guard let value = table["authors"] else { return nil }
        guard case .array(let authors) = value else { throw Self.wrong("\(name).authors", "is no list") }
        for case .table(let author) in authors {
            guard case .string(let text)? = author["name"] else { continue }
            return text
        }
        return nil
    }

    private static func absent(_ field: String, hint: String) -> CloacinaError {
        .pyproject(.pyprojectFieldMissing, "pyproject.toml has no \(field)", hint: hint)
    }

    private static func wrong(_ field: String, _ what: String) -> CloacinaError {
        .pyproject(.pyprojectInvalid, "\(field) in pyproject.toml \(what)", hint: "Correct that field.")
    }
}
