/// The paths of an archive's members: each is one that can be made below a folder, and no two are in each other's way.
struct MemberPaths {
    /// How the archive's reader speaks of a member that it refuses.
    typealias Refusal = (CloacinaCode, String, [UInt8]) -> CloacinaError

    private struct Step: Hashable {
        let folder: Int
        let name: [UInt8]
    }

    /// Each member by its folder and its last name; folders are numbered, the archive's own is 0.
    private var folders: [Step: Int] = [:]
    private var files: Set<Step> = []
    private var namedFolders: Set<Int> = []
    private var bytes = 0

    /// The path as it is used, without `.` and doubled slashes; nil for the archive's own folder.
    mutating func add(
        _ path: [UInt8], isFolder: Bool, _ refusal: Refusal
    ) throws(CloacinaError) -> String? {
        guard !path.contains(0), let text = String(validating: path, as: UTF8.self) else {
            throw refusal(.archiveCorrupt, "has a name that is not UTF-8 or holds a NUL", path)
        }
        guard path.first != UInt8(ascii: "/") else {
            throw refusal(.archiveAbsolutePath, "has an absolute path", path)
        }
        let names = text.utf8.split(separator: UInt8(ascii: "/")).map(Array.init).filter { $0 != [UInt8(ascii: ".")] }
        guard !names.contains(Array("..".utf8)) else {
            throw refusal(.archivePathTraversal, "leads out of its folder", path)
        }
        guard let last = names.last else {
            guard isFolder else { throw refusal(.archiveCorrupt, "has no name", path) }
            return nil
        }
        bytes += path.count
        guard path.count <= ArchiveLimits.pathBytes, names.count <= ArchiveLimits.pathLevels,
            names.allSatisfy({ $0.count <= ArchiveLimits.nameBytes }), bytes <= ArchiveLimits.allPathBytes
        else {
            throw refusal(
                .archiveTooLarge,
                "has a name that is too long: \(ArchiveLimits.pathBytes) bytes in \(ArchiveLimits.pathLevels) levels of "
                    + "\(ArchiveLimits.nameBytes) are the most, and 4 MiB for all together", path)
        }
        var folder = 0
        for name in names.dropLast() { folder = try self.folder(Step(folder: folder, name: name), path, refusal) }
        let step = Step(folder: folder, name: last)
        if isFolder {
            let number = try self.folder(step, path, refusal)
            guard namedFolders.insert(number).inserted else { throw Self.duplicate(path, refusal) }
        } else {
            guard folders[step] == nil, files.insert(step).inserted else { throw Self.duplicate(path, refusal) }
        }
        return names.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }

    private mutating func folder(_ step: Step, _ path: [UInt8], _ refusal: Refusal) throws(CloacinaError) -> Int {
        if let known = folders[step] { return known }
        guard !files.contains(step) else { throw Self.duplicate(path, refusal) }
        let number = folders.count + 1
        folders[step] = number
        return number
    }

    private static func duplicate(_ path: [UInt8], _ refusal: Refusal) -> CloacinaError {
        refusal(.archiveDuplicate, "is there twice, or is a file and a folder", path)
    }
}
