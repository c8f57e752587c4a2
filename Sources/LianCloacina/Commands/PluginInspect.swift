import LianModel
import LianSystem

/// `plugin inspect`: what a library says of itself, without running it; and with it, where that is asked for. An archive
/// may carry the library.
package struct PluginInspect: CloacinaCommand {
    private let library: String
    private let isLoaded: Bool
    private let surroundings: Surroundings

    package init(library: String, isLoaded: Bool, _ surroundings: Surroundings) {
        self.library = library
        self.isLoaded = isLoaded
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        let given = surroundings.path(library)
        let archive = ArchiveFormat(beginning: beginning(of: given)) == nil ? nil : try await unpack(given)
        let path = archive?.place ?? given
        let bytes: [UInt8]
        do throws(FileReadFailure) {
            bytes = try readFile(path, limit: LibraryInspection.mostBytes)
        } catch {
            throw .unreadable(library, error.reason, .library)
        }
        var inspection = try LibraryInspection(of: bytes, named: library)
        defer { report.inspection = inspection.report }
        guard isLoaded else { return }
        report.warn(.runsLibraryCode, "--load runs the code of \(library), with the rights that you have.")
        inspection.loaded = try await LibraryLoading(surroundings).load(path, named: library)
    }

    /// The archive and the library's place in it.
    private func unpack(_ path: String) async throws(CloacinaError) -> UnpackedLibrary {
        let outcome = await onOwnThread { [library, surroundings] in
            Result { () throws(CloacinaError) in
                var list: EntryList?
                let archive = try StagedArchive(path, &list, surroundings)
                guard let name = archive.library else {
                    throw CloacinaError(
                        .libraryMissing, .library, "\(library) carries sources and no library",
                        hint: "Name an archive that was packed with --layout cdylib."
                    ).asVerdict
                }
                return UnpackedLibrary(archive: archive, library: name)
            }
        }
        return try outcome.get()
    }
}

/// The library lies in the archive's folder for as long as the archive is held.
private struct UnpackedLibrary: Sendable {
    let archive: StagedArchive
    let library: String

    var place: String { "\(archive.folder)/\(library)" }
}

extension LibraryInspection {
    init(of bytes: [UInt8], named name: String) throws(CloacinaError) {
        do throws(LibraryFault) {
            try self.init(of: bytes)
        } catch {
            throw CloacinaError(
                .libraryCorrupt, .library, "\(name) is no library that can be read: \(error.reason)",
                hint: "Name a shared library of Linux or macOS, for x86_64 or aarch64.")
        }
    }

    fileprivate var report: JSONValue {
        [
            "format": "library", "entries": [], "manifest": .null, "tasks": .null, "library": json, "signatures": [],
            "hosts": .null,
        ]
    }
}
