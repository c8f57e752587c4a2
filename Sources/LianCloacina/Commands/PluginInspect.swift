import LianModel
import LianSystem

/// `plugin inspect`: what a library says of itself, without running it; and with it, where that is asked for.
package struct PluginInspect: CloacinaCommand {
    let library: String
    let isLoaded: Bool
    let surroundings: Surroundings

    package init(library: String, isLoaded: Bool, _ surroundings: Surroundings) {
        self.library = library
        self.isLoaded = isLoaded
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        let path = surroundings.path(library)
        let bytes: [UInt8]
        do throws(FileReadFailure) {
            bytes = try readFile(path, limit: LibraryInspection.mostBytes)
        } catch {
            throw .unreadable(library, error.reason, .library)
        }
        var inspection = try inspected(bytes, named: library)
        defer { report.inspection = inspection.report }
        guard isLoaded else { return }
        report.warn(.runsLibraryCode, "--load runs the code of \(library), with the rights that you have.")
        inspection.loaded = try await LibraryLoading(surroundings).load(path)
    }
}

extension LibraryInspection {
    fileprivate var report: JSONValue {
        [
            "format": "library", "entries": [], "manifest": .null, "tasks": .null, "library": json, "signatures": [],
            "hosts": .null,
        ]
    }
}

/// What can be read of a library.
func inspected(_ bytes: [UInt8], named name: String) throws(CloacinaError) -> LibraryInspection {
    do throws(LibraryFault) {
        return try LibraryInspection(of: bytes)
    } catch {
        throw CloacinaError(
            .libraryCorrupt, .library, "\(name) is no library that can be read: \(error.reason)",
            hint: "Name a shared library of Linux or macOS, for x86_64 or aarch64.")
    }
}
