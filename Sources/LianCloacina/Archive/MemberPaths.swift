/// The paths of an archive's members: each is one that can be made below a folder, and no two are in each other's way.
struct MemberPaths {
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
    mutating func add(_ member: TarMember, _ source: TarSource) throws(CloacinaError) -> String? {
        let path = member.path
        guard !path.contains(0), let text = String(validating: path, as: UTF8.self) else {
            throw source.refusal(.archiveCorrupt, "has a name that is not UTF-8 or holds a NUL", path)
        }
        guard path.first != UInt8(ascii: "/") else {
            throw source.refusal(.archiveAbsolutePath, "has an absolute path", path)
        }
        let names = text.utf8.split(separator: UInt8(ascii: "/")).map(Array.init).filter { $0 != [UInt8(ascii: ".")] }
        guard !names.contains(Array("..".utf8)) else {
            throw source.refusal(.archivePathTraversal, "leads out of its folder", path)
        }
        guard let last = names.last else {
            guard member.kind == .folder else { throw source.refusal(.archiveCorrupt, "has no name", path) }
            return nil
        }
        bytes += path.count
        guard path.count <= ArchiveLimits.pathBytes, names.count <= ArchiveLimits.pathLevels,
            names.allSatisfy({ $0.count <= ArchiveLimits.nameBytes }), bytes <= ArchiveLimits.allPathBytes
        else {
            throw source.refusal(
                .archiveTooLarge,
                "has a name that is too long: \(ArchiveLimits.pathBytes) bytes in \(ArchiveLimits.pathLevels) levels of "
                    + "\(ArchiveLimits.nameBytes) are the most, and 4 MiB for all together", path)
        }
        var folder = 0
        for name in names.dropLast() { folder = try self.folder(Step(folder: folder, name: name), path, source) }
        let step = Step(folder: folder, name: last)
        if member.kind == .folder {
            let number = try self.folder(step, path, source)
            guard namedFolders.insert(number).inserted else { throw Self.duplicate(path, source) }
        } else {
            guard folders[step] == nil, files.insert(step).inserted else { throw Self.duplicate(path, source) }
        }
        return names.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }

    private mutating func folder(_ step: Step, _ path: [UInt8], _ source: TarSource) throws(CloacinaError) -> Int {
        if let known = folders[step] { return known }
        guard !files.contains(step) else { throw Self.duplicate(path, source) }
        let number = folders.count + 1
        folders[step] = number
        return number
    }

    private static func duplicate(_ path: [UInt8], _ source: TarSource) -> CloacinaError {
        source.refusal(.archiveDuplicate, "is there twice, or is a file and a folder", path)
    }
}
