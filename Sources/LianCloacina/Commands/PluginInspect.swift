import LianModel
import LianSystem

/// `plugin inspect`: what a library says of itself, without running it; and with it, where that is asked for. An archive
/// may carry the library.
package struct PluginInspect: CloacinaCommand {
    private let library: String
    private let isLoaded: Bool
    private let surroundings: Surroundings
    /// The archive, where it is unpacked already.
    var unpacked: StagedArchive?

    package init(library: String, isLoaded: Bool, _ surroundings: Surroundings) {
        self.library = library
        self.isLoaded = isLoaded
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        let found = try await onOwnThread { Result { () throws(CloacinaError) in try read() } }.get()
        var inspection = found.inspection
        defer { report.inspection = inspection.report }
        guard isLoaded else { return }
        report.warn(.runsLibraryCode, "--load runs the code of \(library), with the rights that you have.")
        inspection.loaded = try await LibraryLoading(surroundings).load(found.place, named: library)
        // Until here the library is where it was unpacked.
        withExtendedLifetime(found.archive) {}
    }

    private struct Found: Sendable {
        let inspection: LibraryInspection
        let place: String
        /// In whose folder the place is, where the library came in one.
        let archive: StagedArchive?
    }

    private func read() throws(CloacinaError) -> Found {
        var place = surroundings.path(library)
        var archive = unpacked
        if archive == nil, ArchiveFormat(beginning: beginning(of: place)) != nil {
            archive = try StagedArchive(place, surroundings)
        }
        if let staged = archive {
            guard let name = staged.library else {
                throw CloacinaError(
                    .libraryMissing, .library, "\(library) carries sources and no library",
                    hint: "Name an archive that was packed with --layout cdylib."
                ).asVerdict
            }
            place = "\(staged.folder)/\(name)"
        }
        let bytes: [UInt8]
        do throws(FileReadFailure) {
            bytes = try readFile(place, limit: LibraryInspection.mostBytes)
        } catch {
            throw .unreadable(library, error.reason, .library)
        }
        return Found(inspection: try LibraryInspection(of: bytes, named: library), place: place, archive: archive)
    }
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
