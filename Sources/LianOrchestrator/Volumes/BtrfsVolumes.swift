import CLinux
import Glibc
import LianModel
import LianSystem

/// A subvolume for each volume: clones are snapshots, which take no time and no room.
struct BtrfsVolumes: LocalVolumeStorage {
    let name = "btrfs"
    let support = VolumeSupport.clone
    let keepsByMoving = false
    let folders: VolumeFolders
    /// The file that holds the file system, where that was mounted for it.
    var file: VolumesFile?
    /// btrfs, where that is there.
    var program: String?

    func make(for runnerID: String) throws(VolumeStorageError) {
        let lent = try OpenFolder(folders.lent)
        guard lian_btrfs_make(lent.raw, runnerID) == 0 else {
            throw VolumeStorageError(call: "make the subvolume \(folders.lent(runnerID))")
        }
        // A new subvolume gets the mode that a new folder would get.
        guard chmod(folders.lent(runnerID), 0o700) == 0 else {
            throw VolumeStorageError(call: "chmod \(folders.lent(runnerID))")
        }
        try asStorageError { try VolumeForm.fill(folders.lent(runnerID)) }
    }

    func clone(_ generation: String, for runnerID: String) throws(VolumeStorageError) {
        try snapshot(folders.kept(generation), in: folders.lent, as: runnerID, isReadOnly: false)
    }

    func keep(lentTo runnerID: String, as generation: String) throws(VolumeStorageError) {
        try snapshot(folders.lent(runnerID), in: folders.kept, as: generation, isReadOnly: true)
    }

    private func snapshot(
        _ source: String, in folder: String, as name: String, isReadOnly: Bool
    ) throws(VolumeStorageError) {
        let opened = try OpenFolder(source)
        let target = try OpenFolder(folder)
        guard lian_btrfs_snapshot(target.raw, name, opened.raw, isReadOnly ? 1 : 0) == 0 else {
            throw VolumeStorageError(call: "make a snapshot of \(source)")
        }
    }

    /// Where the subvolume's tree cannot be read, its files are looked at.
    func size(lentTo runnerID: String) throws(VolumeStorageError) -> Int {
        try flush(lentTo: runnerID)
        let folder = try OpenFolder(folders.lent(runnerID))
        var status = stat()
        if fstat(folder.raw, &status) == 0, status.st_ino == Self.topFolder {
            let bytes = lian_btrfs_bytes(folder.raw)
            if bytes >= 0 { return Int(bytes) }
        }
        return try sizeByFiles(lentTo: runnerID)
    }

    /// The inode of the folder at the top of each subvolume.
    private static let topFolder: ino_t = 256

    func remove(lentTo runnerID: String) throws(VolumeStorageError) { try remove(runnerID, in: folders.lent) }

    func remove(generation: String) throws(VolumeStorageError) { try remove(generation, in: folders.kept) }

    private func remove(_ name: String, in path: String) throws(VolumeStorageError) {
        let place = "\(path)/\(name)"
        guard try asStorageError({ try fileExists(place) }) else { return }
        try asStorageError { try Mounts.detachAll(below: place) }
        let folder = try OpenFolder(path)
        if lian_btrfs_remove(folder.raw, name) == 0 { return }
        if errno == ENOTEMPTY {
            try removeSubvolumes(below: place)
            if lian_btrfs_remove(folder.raw, name) == 0 { return }
        }
        // It is no subvolume any more, or this user may not remove one.
        try moveToTrash(place)
    }

    /// An engine of a build may have made subvolumes of its own. Their roots all have the same inode number.
    private func removeSubvolumes(below path: String) throws(VolumeStorageError) {
        let command = Command(
            "/usr/bin/find", [path, "-mindepth", "1", "-depth", "-type", "d", "-inum", "256", "-print0"],
            environment: [:])
        let result = try asStorageError { try runBlocking(command, deadline: .seconds(600)) }
        // By its bytes: a build may choose a name that is no text. What cannot be removed is seen by the caller.
        for found in result.output.split(separator: 0) {
            guard let end = found.lastIndex(of: UInt8(ascii: "/")) else { continue }
            func terminated(_ bytes: ArraySlice<UInt8>) -> [CChar] { bytes.map(CChar.init(bitPattern:)) + [0] }
            let parent = open(terminated(found[..<end]), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard parent >= 0 else { continue }
            _ = lian_btrfs_remove(parent, terminated(found[(end + 1)...]))
            Glibc.close(parent)
        }
    }

    func room() throws(VolumeStorageError) -> VolumeRoom {
        try asStorageError {
            var room = try folders.room()
            // The file grows as it is written to, so there is not more room than on the disk that it lies on.
            if let file { room.free = min(room.free, try VolumeFolders.room(at: parentFolder(file.path)).free) }
            return room
        }
    }

    /// What was removed becomes free little by little. With little room that is waited for: else more would be removed
    /// than has to be.
    func emptyTrash() throws(VolumeStorageError) {
        try deleteTrash()
        guard try room().isLow, let program else { return }
        let root = try OpenFolder(folders.root)
        _ = lian_btrfs_sync(root.raw)
        let command = Command(program, ["subvolume", "sync", folders.root], environment: ["LANG": "C"])
        _ = try asStorageError { try runBlocking(command, deadline: .seconds(60)) }
        _ = lian_btrfs_sync(root.raw)
    }

    func close() throws(VolumeStorageError) { try file?.unmount() }
}

/// Copies on write of each file, where the file system has those: XFS.
struct ReflinkVolumes: LocalVolumeStorage {
    let name = "reflink"
    let support = VolumeSupport.clone
    let keepsByMoving = true
    let folders: VolumeFolders

    func clone(_ generation: String, for runnerID: String) throws(VolumeStorageError) {
        let command = Command(
            "/bin/cp",
            ["-a", "--reflink=always", "-T", "--", folders.kept(generation), folders.lent(runnerID)],
            environment: ["LANG": "C"])
        let result = try asStorageError { try runBlocking(command, deadline: .seconds(120)) }
        guard result.termination.isSuccess else {
            let said = result.errorText.trimmingLineEnd()
            throw VolumeStorageError(said, isDiskFull: said.contains(String(cString: strerror(ENOSPC))))
        }
    }
}

/// The volume itself is handed over and back.
struct ExclusiveVolumes: LocalVolumeStorage {
    let name = "exclusive"
    let support = VolumeSupport.exclusive
    let keepsByMoving = true
    let folders: VolumeFolders

    func clone(_ generation: String, for runnerID: String) throws(VolumeStorageError) {
        guard rename(folders.kept(generation), folders.lent(runnerID)) == 0 else {
            throw VolumeStorageError(call: "rename \(folders.kept(generation))")
        }
    }
}

/// What those without subvolumes do alike: a volume is a plain folder, which is kept and removed by moving it.
extension LocalVolumeStorage {
    package func make(for runnerID: String) throws(VolumeStorageError) {
        let folder = folders.lent(runnerID)
        guard mkdir(folder, 0o700) == 0 else { throw VolumeStorageError(call: "mkdir \(folder)") }
        try asStorageError { try VolumeForm.fill(folder) }
    }

    package func keep(lentTo runnerID: String, as generation: String) throws(VolumeStorageError) {
        let folder = folders.lent(runnerID)
        try asStorageError { try Mounts.detachAll(below: folder) }
        guard rename(folder, folders.kept(generation)) == 0 else { throw VolumeStorageError(call: "rename \(folder)") }
        // The move is on the disk when both folders are.
        for folder in [folders.kept, folders.lent] {
            let opened = try OpenFolder(folder)
            guard fsync(opened.raw) == 0 else { throw VolumeStorageError(call: "fsync \(folder)") }
        }
    }
    package func remove(lentTo runnerID: String) throws(VolumeStorageError) {
        try moveToTrash(folders.lent(runnerID))
    }

    package func remove(generation: String) throws(VolumeStorageError) {
        try moveToTrash(folders.kept(generation))
    }
}
