import LianModel
import LianSystem

/// The module that a package's tasks are looked for in, as a file of the project.
package struct EntryModule: Equatable, Sendable {
    /// Where modules begin: the project's folder, or `src` in it.
    package let root: String
    /// Relative to the root.
    package let file: String

    /// The most bytes that are parsed.
    static let largest = 16 << 20

    /// By its name, `a.b`, as Python has it.
    package init(_ name: String, project: String) throws(CloacinaError) {
        guard Self.isModuleName(name) else {
            throw .pyproject(
                .pyprojectInvalid, "tool.cloaca.entry_module is no name of a module",
                hint: "Write it as Python's import does, with points: entry_module = \"my_workflow.tasks\".")
        }
        let path = name.split(separator: ".").joined(separator: "/")
        let files = ["\(path).py", "\(path)/__init__.py"]
        for root in [project, "\(project)/src"] {
            for file in files where fileKind("\(root)/\(file)") == .regular {
                self.root = root
                self.file = file
                return
            }
        }
        throw CloacinaError(
            .entryModuleMissing, .project,
            "the entry module \(name) is neither \(files[0]) nor \(files[1]), in the project or in its folder src",
            hint: "Correct tool.cloaca.entry_module in pyproject.toml, or add the file.")
    }

    /// The package or the file that travels with it: the first part of its path.
    package var top: String { String(file.split(separator: "/")[0]) }

    package var path: String { "\(root)/\(file)" }

    private static func isModuleName(_ name: String) -> Bool {
        name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
            guard let first = part.unicodeScalars.first else { return false }
            return (first == "_" || first.properties.isXIDStart)
                && part.unicodeScalars.allSatisfy(\.properties.isXIDContinue)
        }
    }
}
