import Glibc
import LianSystem

/// `plugin new`: the example of a plugin in Swift, under a name of its own.
package struct PluginNew: CloacinaCommand {
    let name: String
    let folder: String?
    let surroundings: Surroundings

    package init(name: String, folder: String?, _ surroundings: Surroundings) {
        self.name = name
        self.folder = folder
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        guard Self.isName(name) else {
            throw CloacinaError(
                .nameInvalid, .arguments, "'\(name.prefix(40))' cannot be a plugin's name",
                hint: "Take letters, digits, '.', '_' and '-', at most 128, a letter or digit first: 'my-workflow'.")
        }
        let shown = folder ?? name
        let path = surroundings.path(shown)
        do throws(SystemError) {
            try make(path)
        } catch {
            guard ![EEXIST, ENOTEMPTY].contains(error.code) else {
                throw CloacinaError(
                    .fileExists, .output, "\(shown) is there already", hint: "Name another folder with --out.")
            }
            throw .unwritable(shown, error)
        }
        report.package = .init(name: name, version: "0.1.0", language: "swift", format: "plugin")
        surroundings.tell("Created: \(shown)")
    }

    /// The folder is there whole or not at all.
    private func make(_ path: String) throws(SystemError) {
        guard try !fileExists(path) else { throw SystemError("mkdir \(path)", EEXIST) }
        let draft = "\(path).\(getpid()).part"
        defer { removeDraft(draft) }
        try write(to: draft)
        guard rename(draft, path) == 0 else { throw SystemError("rename \(draft)") }
    }

    private func write(to draft: String) throws(SystemError) {
        try makeFolder(draft, mode: 0o777)
        for file in PluginExample.files(named: name) {
            let path = "\(draft)/\(file.path)"
            try makeFolder(parentFolder(path), mode: 0o777)
            try writeFile(path, file.text, mode: 0o666)
        }
    }

    /// What is left of it where not all could be written.
    private func removeDraft(_ draft: String) {
        let files = PluginExample.files(named: name).map { "\(draft)/\($0.path)" }
        for file in files { remove(file) }
        let folders = Set(files.map(parentFolder) + ["\(draft)/Sources"])
        for folder in folders.sorted(by: { $0.utf8.count > $1.utf8.count }) { remove(folder) }
    }

    private static func isName(_ name: String) -> Bool {
        let bytes = name.utf8
        let letters = bytes.filter { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || $0 >= 0x30 && $0 <= 0x39 }
        return bytes.count <= 128 && letters.first != nil && letters.first == bytes.first
            && bytes.count == letters.count + bytes.filter { "._-".utf8.contains($0) }.count
    }
}
