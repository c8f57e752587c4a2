import Glibc
import LianModel
import LianSystem

/// An archive of which all was read and unpacked, into a folder that goes with it.
final class StagedArchive: Sendable {
    let summary: ArchiveSummary
    let entries: [EntryList.Entry]
    /// The package's own folder.
    let folder: String
    private let staging: StagingFolder

    convenience init(_ path: String, _ surroundings: Surroundings) throws(CloacinaError) {
        var list: EntryList?
        try self.init(path, &list, surroundings)
    }

    /// `list` keeps what was read also where it ends early.
    init(_ path: String, _ list: inout EntryList?, _ surroundings: Surroundings) throws(CloacinaError) {
        staging = try StagingFolder(environment: surroundings.environment)
        let reading = EntryList(next: Unpacker(into: staging.path))
        list = reading
        summary = try readArchive(path, stop: surroundings.stop, visitor: reading)
        let top = summary.top
        folder = top.map { [staging] in "\(staging.path)/\($0)" } ?? staging.path
        entries = reading.entries.compactMap { entry in
            guard let top else { return entry }
            return entry.path.utf8.elementsEqual(top.utf8) ? nil : entry.below(top)
        }
        for entry in entries where !entry.isFolder {
            surroundings.detail("In the archive: \(entry.path), \(entry.bytes) bytes")
        }
    }

    /// Its files in the order in which the digest takes them.
    func members() throws(CloacinaError) -> [ArchiveMember] {
        var members: [ArchiveMember] = []
        for entry in entries where !entry.isFolder {
            var status = stat()
            let place = "\(folder)/\(entry.path)"
            guard lstat(place, &status) == 0 else {
                throw .unreadable(place, SystemError("lstat").reason, .archive)
            }
            members.append(ArchiveMember(entry.path, .file(SourceFile(path: entry.path, place: place, status))))
        }
        return members.inOrder
    }

    /// A file of it, up to the limit; nil where there is none.
    func bytes(of path: String, limit: Int = 1 << 20) throws(CloacinaError) -> [UInt8]? {
        guard entries.contains(where: { $0.path == path && !$0.isFolder }) else { return nil }
        do throws(FileReadFailure) {
            return try readFile("\(folder)/\(path)", limit: limit)
        } catch {
            throw CloacinaError(
                .archiveCorrupt, .archive, "\(path) in the archive cannot be read: \(error.reason)",
                hint: "Pack it anew by 'package pack'.")
        }
    }

    /// A package of a library in place of sources.
    var library: String? {
        let names = entries.map(\.path)
        guard !names.contains("Cargo.toml") else { return nil }
        return names.first {
            !$0.contains("/") && $0.hasPrefix("lib") && ($0.hasSuffix(".so") || $0.hasSuffix(".dylib"))
        }
    }

    func artifact(path: String, digest: [UInt8]?) -> CloacinaReport.Artifact {
        CloacinaReport.Artifact(
            path: path, bytes: summary.bytes, sha256: hexadecimal(summary.sha256),
            digest: digest.map { hexadecimal($0) },
            entries: summary.files)
    }
}

extension EntryList.Entry {
    func below(_ folder: String) -> EntryList.Entry {
        EntryList.Entry(
            path: String(decoding: path.utf8.dropFirst(folder.utf8.count + 1), as: UTF8.self), bytes: bytes,
            isFolder: isFolder,
            isExecutable: isExecutable, sha256: sha256)
    }

    var json: JSONValue {
        [
            "path": .string(isFolder ? path + "/" : path), "bytes": .integer(bytes),
            "mode": .string(isFolder || isExecutable ? "0755" : "0644"),
            "sha256": sha256.map { .string(hexadecimal($0)) } ?? .null,
        ]
    }
}
