import CLinux
import Glibc
import LianModel
import LianSystem

/// The value of `--volumes`: how volumes are kept.
package typealias VolumesChoice = VolumesConfig.Kind

package struct FoundVolumes: Sendable {
    package let storage: any VolumeStorage
    /// Which storage it is, and why.
    package let reason: String
}

extension VolumesChoice {
    /// The storage, below the state folder; nil where none is wanted. Throws the reasons where clones are demanded and
    /// cannot be had.
    package func find(
        state: String, path: String, fileBytes: Int?, log: EventLog
    ) throws(ProviderError) -> FoundVolumes? {
        let finder = StorageFinder(state: state, path: path, fileBytes: fileBytes, log: log)
        switch self {
        case .none:
            finder.leaveFile(forGood: false)
            return nil
        case .exclusive:
            finder.leaveFile(forGood: true)
            return try finder.exclusive(because: "as --volumes says")
        case .auto, .clone:
            var problems: [String] = []
            for candidate in [finder.btrfs, finder.reflink, finder.file] {
                switch candidate() {
                case .success(let found): return found
                case .failure(let problem): problems.append(problem.description)
                }
            }
            let reason = problems.joined(separator: "; ")
            guard self == .auto else {
                throw ProviderError(
                    "volumes cannot be cloned: \(reason); mend one of these, or choose --volumes auto")
            }
            guard !finder.hasFile else {
                // The books tell of what lies in the file. Laid beside it, all of that would count as lost.
                log.error("volumes_unusable", "no volumes until the next start, and those of before stay: \(reason)")
                return nil
            }
            return try finder.exclusive(because: reason)
        }
    }
}

private struct StorageFinder {
    let state: String
    let path: String
    let fileBytes: Int?
    let log: EventLog

    typealias Answer = Result<FoundVolumes, ProviderError>

    private var folders: VolumeFolders { VolumeFolders(root: "\(state)/volumes") }
    var hasFile: Bool { fileKind(filePath) != nil }
    private var filePath: String { "\(state)/volumes.btrfs" }
    private func volumesFile() throws(ProviderError) -> VolumesFile {
        try VolumesFile(at: filePath, mountPoint: folders.root, programs: path)
    }

    func btrfs() -> Answer {
        Result { () throws(ProviderError) in
            guard try !isFileMounted() else { throw ProviderError("a file with btrfs is mounted already") }
            try prepare()
            guard lian_is_btrfs(folders.root) != 0 else { throw ProviderError("\(state) does not lie on btrfs") }
            return try found(
                BtrfsVolumes(folders: folders, program: findExecutable("btrfs", path: path)),
                "btrfs subvolumes below \(folders.root), which lies on btrfs")
        }
    }

    func reflink() -> Answer {
        Result { () throws(ProviderError) in
            guard try !isFileMounted() else { throw ProviderError("a file with btrfs is mounted already") }
            try prepare()
            return try found(
                ReflinkVolumes(folders: folders), "reflinks below \(folders.root), whose file system has them")
        }
    }

    func file() -> Answer {
        Result { () throws(ProviderError) in
            let file = try volumesFile()
            let bytes = try replacingPlainFolder(unless: file.isMounted()) { () throws(ProviderError) in
                try file.mount(bytes: fileBytes, log: log)
            }
            try prepare()
            return try found(
                BtrfsVolumes(folders: folders, file: file, program: findExecutable("btrfs", path: path)),
                "a btrfs file of \(bytes >> 30) GB, \(file.path), mounted by loop")
        }
    }

    /// Volumes that lie in the plain folder, of an earlier start, would be hidden by a mount. They make way once that has
    /// succeeded.
    private func replacingPlainFolder(
        unless isMounted: Bool, _ mount: () throws(ProviderError) -> Int
    ) throws(ProviderError) -> Int {
        if isMounted { return try mount() }
        try prepare()
        let contents = try asProviderError { try folders.contents() }
        guard contents.lent.isEmpty else {
            throw ProviderError("runners of an earlier start still have volumes in \(folders.root), without btrfs")
        }
        if contents.kept.isEmpty { return try mount() }
        let before = VolumeFolders(root: "\(folders.root).before")
        guard rename(folders.root, before.root) == 0 else { throw ProviderError("\(SystemError("rename"))") }
        let bytes: Int
        do {
            bytes = try mount()
        } catch {
            rmdir(folders.root)
            rename(before.root, folders.root)
            throw error
        }
        log.warning("volumes_lost", "volumes are in a btrfs file now: those of before, without btrfs, are lost")
        try asProviderError {
            let old = ExclusiveVolumes(folders: before)
            for id in contents.kept { try old.remove(generation: id) }
            try old.emptyTrash()
            for folder in [before.kept, before.lent, before.trash, before.root] { rmdir(folder) }
        }
        return bytes
    }

    func exclusive(because reason: String) throws(ProviderError) -> FoundVolumes {
        try prepare()
        return FoundVolumes(
            storage: ExclusiveVolumes(folders: folders), reason: "exclusive: \(reason)")
    }

    /// Unmounts the file of an earlier start that chose it; for good, it is removed too.
    func leaveFile(forGood: Bool) {
        do {
            try (try? volumesFile())?.unmount()
            if forGood, unlink(filePath) == 0 {
                log.warning("volumes_lost", "\(filePath) is not used any more and was removed, with all volumes in it")
            }
        } catch {
            log.warning("volumes_not_unmounted", "\(folders.root) stays mounted: \(error)")
        }
    }

    private func isFileMounted() throws(ProviderError) -> Bool {
        guard let file = try? volumesFile() else { return false }
        return try file.isMounted()
    }

    private func prepare() throws(ProviderError) { try asProviderError { try folders.prepare() } }

    /// Tries the storage from end to end before anything depends on it.
    private func found(_ storage: some LocalVolumeStorage, _ reason: String) throws(ProviderError)
        -> FoundVolumes
    {
        let probe = "probe"
        do {
            try storage.remove(lentTo: probe)
            try storage.remove(generation: probe)
            try storage.make(for: probe)
            try asStorageError { try writeFile("\(storage.folder(lentTo: probe))/engine/file", "content") }
            try storage.keep(lentTo: probe, as: probe)
            try storage.remove(lentTo: probe)
            try storage.clone(probe, for: probe)
            try storage.remove(lentTo: probe)
            try storage.remove(generation: probe)
        } catch {
            try? storage.remove(lentTo: probe)
            try? storage.remove(generation: probe)
            throw ProviderError("\(storage.name): \(error)")
        }
        return FoundVolumes(storage: storage, reason: "clone: \(reason)")
    }
}
