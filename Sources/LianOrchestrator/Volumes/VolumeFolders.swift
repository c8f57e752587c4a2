import CLinux
import Glibc
import LianModel
import LianSystem

/// The folders of a local storage: what is kept, what runners have, and what is being deleted. Runners write below
/// `lent` alone, so no name above that is ever a link that they made.
struct VolumeFolders: Sendable {
    let root: String

    var kept: String { "\(root)/kept" }
    var lent: String { "\(root)/lent" }
    var trash: String { "\(root)/trash" }

    func kept(_ generation: String) -> String { "\(kept)/\(generation)" }
    func lent(_ runnerID: String) -> String { "\(lent)/\(runnerID)" }

    func prepare() throws(SystemError) {
        for folder in [kept, lent, trash] { try makeFolder(folder) }
    }

    func contents() throws(SystemError) -> VolumeContents {
        VolumeContents(
            kept: Set(try folderEntries(kept).filter(Identifier.isID)),
            lent: Set(try folderEntries(lent).filter(Identifier.isID)))
    }

    func room() throws(SystemError) -> VolumeRoom { try Self.room(at: root) }

    static func room(at path: String) throws(SystemError) -> VolumeRoom {
        var disk = statvfs()
        guard statvfs(path, &disk) == 0 else { throw SystemError("statvfs \(path)") }
        func bytes(_ blocks: UInt) -> Int {
            let (bytes, isTooLarge) = Int(clamping: blocks).multipliedReportingOverflow(
                by: Int(clamping: disk.f_frsize))
            return isTooLarge ? .max : bytes
        }
        return VolumeRoom(free: bytes(disk.f_bavail), size: bytes(disk.f_blocks))
    }
}

/// What every local storage does alike.
protocol LocalVolumeStorage: VolumeStorage {
    var folders: VolumeFolders { get }
}

extension LocalVolumeStorage {
    package func folder(lentTo runnerID: String) -> String { folders.lent(runnerID) }

    package func fault(lentTo runnerID: String) throws(VolumeStorageError) -> String? {
        try asStorageError { try VolumeForm.fault(of: folders.lent(runnerID)) }
    }

    package func size(lentTo runnerID: String) throws(VolumeStorageError) -> Int { try sizeByFiles(lentTo: runnerID) }

    /// What the files take on the disk. A program counts them, because it also copes with folders that are deeper than a
    /// path may be long; what vanishes meanwhile is left out.
    func sizeByFiles(lentTo runnerID: String) throws(VolumeStorageError) -> Int {
        let command = Command(
            "/usr/bin/du", ["-s", "-x", "-P", "-B1", "--", folders.lent(runnerID)], environment: ["LANG": "C"])
        let result = try asStorageError { try runBlocking(command, deadline: .seconds(10)) }
        guard let digits = result.outputText.split(separator: "\t").first, let bytes = Int(digits) else {
            throw VolumeStorageError("du: \(result.errorText.trimmingLineEnd())")
        }
        return bytes
    }

    package func flush(lentTo runnerID: String) throws(VolumeStorageError) {
        let folder = try OpenFolder(folders.lent(runnerID))
        guard lian_sync_file_system(folder.raw) == 0 else { throw VolumeStorageError(call: "syncfs \(folders.root)") }
    }

    package func contents() throws(VolumeStorageError) -> VolumeContents {
        try asStorageError { try folders.contents() }
    }

    package func room() throws(VolumeStorageError) -> VolumeRoom { try asStorageError { try folders.room() } }

    package func emptyTrash() throws(VolumeStorageError) { try deleteTrash() }

    func deleteTrash() throws(VolumeStorageError) {
        try asStorageError {
            var problem: VolumeStorageError?
            for name in try folderEntries(folders.trash) {
                // rm follows no links. What builds mounted was unmounted before the folder was moved here.
                let command = Command(
                    "/bin/rm", ["-rf", "--one-file-system", "--", "\(folders.trash)/\(name)"], environment: [:])
                let result = try runBlocking(command, deadline: .seconds(3600))
                // One that cannot be deleted does not hold up the others.
                if !result.termination.isSuccess { problem = VolumeStorageError(result.errorText.trimmingLineEnd()) }
            }
            if let problem { throw problem }
        }
    }

    package func close() throws(VolumeStorageError) {}

    /// Moves the folder to where it is deleted, which takes no time; none of that name is there yet.
    func moveToTrash(_ folder: String) throws(VolumeStorageError) {
        guard try asStorageError({ try fileExists(folder) }) else { return }
        // Whoever knew the path may have mounted something below it, and rm would descend into a bind mount.
        try asStorageError { try Mounts.detachAll(below: folder) }
        var number = 0
        while rename(folder, "\(folders.trash)/\(number)") != 0 {
            guard [EEXIST, ENOTEMPTY, EISDIR, ENOTDIR].contains(errno), number < 1_000_000 else {
                throw VolumeStorageError(call: "rename \(folder)")
            }
            number += 1
        }
    }
}

/// A folder that is open, for calls that must not go through a link in its place.
struct OpenFolder: ~Copyable {
    private let descriptor: FileDescriptor
    var raw: Int32 { descriptor.raw }

    init(_ path: String, in folder: Int32 = AT_FDCWD) throws(VolumeStorageError) {
        let raw = openat(folder, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard raw >= 0 else { throw VolumeStorageError(call: "open \(path)") }
        descriptor = FileDescriptor(owning: raw)
    }
}
