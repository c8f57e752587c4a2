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
        return Found(inspection: try LibraryInspection(at: place, named: library), place: place, archive: archive)
    }
}

extension LibraryInspection {
    init(at place: String, named name: String) throws(CloacinaError) {
        let file: LibraryBytes
        do throws(FileReadFailure) {
            file = LibraryBytes(try RegularFile.open(place))
            guard file.count <= Self.mostBytes else { throw .tooLarge(limit: Self.mostBytes) }
        } catch {
            throw .unreadable(name, error.reason, .library)
        }
        try self.init(file, named: name)
    }

    init(_ file: LibraryBytes, named name: String) throws(CloacinaError) {
        do throws(LibraryFault) {
            try self.init(file)
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
