import Glibc
import LianModel
import LianSystem

/// A file with btrfs in it, mounted by loop: clones on a disk whose own file system has none. It takes as much of the
/// disk as is written to it, and gives back what is deleted.
struct VolumesFile: Sendable {
    let path: String
    let mountPoint: String
    private let programs: Programs

    private struct Programs {
        let mount, umount, losetup, mkfs, btrfs: String
    }

    private static let limit = 100 << 30
    /// A smaller one is of no use to builds.
    private static let least = 1 << 30

    /// Fails with the reason where such a file cannot be had here.
    init(at path: String, mountPoint: String, programs searchPath: String) throws(ProviderError) {
        guard geteuid() == 0 else { throw ProviderError("mounting a file with btrfs needs root") }
        func program(_ name: String, _ package: String) throws(ProviderError) -> String {
            guard let found = findExecutable(name, path: searchPath) else {
                throw ProviderError("\(name) is not on PATH (install \(package))")
            }
            return found
        }
        self.path = path
        self.mountPoint = mountPoint
        programs = Programs(
            mount: try program("mount", "mount"), umount: try program("umount", "mount"),
            losetup: try program("losetup", "mount"), mkfs: try program("mkfs.btrfs", "btrfs-progs"),
            btrfs: try program("btrfs", "btrfs-progs"))
    }

    /// Mounts the file; makes it where there is none, and makes it anew where it cannot be mounted. `bytes` is how large
    /// it may become: an existing one grows, and never shrinks. Returns its size.
    func mount(bytes: Int?, log: EventLog) throws(ProviderError) -> Int {
        if try !isMounted() {
            let isThere = try asProviderError { try fileExists(path) }
            if !isThere {
                try make(bytes: bytes)
            } else {
                do {
                    try mountFile()
                } catch {
                    // Only what is no file system any more is made anew: other causes pass, or can be mended.
                    guard error.description.contains("superblock") else { throw error }
                    try replace(bytes: bytes, because: error, log: log)
                }
            }
        }
        var size = try fileSize()
        if let bytes, bytes > size {
            guard truncate(path, bytes) == 0 else { throw ProviderError("\(SystemError("truncate \(path)"))") }
            size = bytes
        }
        if bytes != nil { try grow() }
        return size
    }

    /// The file system takes the whole file, also where an earlier growing was cut short.
    private func grow() throws(ProviderError) {
        guard let device = try mountedDevice() else { return }
        try run(programs.losetup, ["-c", device])
        try run(programs.btrfs, ["filesystem", "resize", "max", mountPoint])
    }

    /// Unless somebody uses it.
    func unmount() throws(VolumeStorageError) {
        try asStorageError {
            if try isMounted() { try run(programs.umount, [mountPoint]) }
        }
    }

    func isMounted() throws(ProviderError) -> Bool { try mountedDevice() != nil }

    /// The loop device of the file, where that is mounted.
    private func mountedDevice() throws(ProviderError) -> String? {
        let mountinfo = try asProviderError { try readText("/proc/self/mountinfo", limit: 64 << 20) }
        guard let source = Mounts.source(at: mountPoint, mountinfo: mountinfo), source.hasPrefix("/dev/loop") else {
            return nil
        }
        let name = source.dropFirst("/dev/".count)
        let backing = try? readText("/sys/block/\(name)/loop/backing_file")
        return backing?.trimmingLineEnd() == path ? source : nil
    }

    /// The file that cannot be mounted makes way only once a new one could be: else this machine is at fault.
    private func replace(bytes: Int?, because problem: ProviderError, log: EventLog) throws(ProviderError) {
        let aside = "\(path).unusable"
        guard rename(path, aside) == 0 else { throw ProviderError("\(SystemError("rename \(path)"))") }
        do {
            try make(bytes: bytes)
        } catch {
            rename(aside, path)
            throw error
        }
        unlink(aside)
        log.error(
            "volumes_lost", "\(path) could not be mounted and was made anew: all volumes in it are lost: \(problem)")
    }

    private func make(bytes: Int?) throws(ProviderError) {
        let draft = "\(path).part"
        unlink(draft)
        let size: Int
        if let bytes { size = bytes } else { size = try defaultSize() }
        try asProviderError { try writeFile(draft, "") }
        do throws(ProviderError) {
            guard truncate(draft, size) == 0 else { throw ProviderError("\(SystemError("truncate \(draft)"))") }
            try makeFileSystem(in: draft)
            guard rename(draft, path) == 0 else { throw ProviderError("\(SystemError("rename \(draft)"))") }
            try mountFile()
        } catch {
            unlink(draft)
            unlink(path)
            throw error
        }
    }

    private func defaultSize() throws(ProviderError) -> Int {
        let free = try asProviderError { try VolumeFolders.room(at: parentFolder(path)).free }
        let size = min(free / 2, Self.limit)
        guard size >= Self.least else {
            throw ProviderError("the disk has too little room for a btrfs file: \(free >> 20) MB are free")
        }
        return size
    }

    private func mountFile() throws(ProviderError) {
        try asProviderError { try makeFolder(mountPoint) }
        // The device goes with the mount. What is deleted is given back to the disk by and by.
        let options = "loop,nosuid,nodev,noatime,discard=async"
        try run(programs.mount, ["-t", "btrfs", "-o", options, path, mountPoint])
    }

    private func fileSize() throws(ProviderError) -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { throw ProviderError("\(SystemError("stat \(path)"))") }
        return Int(status.st_size)
    }

    /// mkfs.btrfs looks whether any loop device has the file, and fails where one goes meanwhile, whoever's it is.
    private func makeFileSystem(in file: String) throws(ProviderError) {
        let arguments = ["--quiet", "--metadata", "single", file]
        for _ in 0..<10 {
            let result = try end(of: programs.mkfs, arguments)
            if result.termination.isSuccess { return }
            guard result.errorText.contains("cannot check mount status") else { break }
        }
        try run(programs.mkfs, arguments)
    }

    private func end(of program: String, _ arguments: [String]) throws(ProviderError) -> SubprocessResult {
        try asProviderError {
            try runBlocking(Command(program, arguments, environment: ["LANG": "C"]), deadline: .seconds(60))
        }
    }

    private func run(_ program: String, _ arguments: [String]) throws(ProviderError) {
        let result = try end(of: program, arguments)
        guard result.termination.isSuccess else {
            let said = result.errorText.trimmingLineEnd()
            throw ProviderError("\(program) \(arguments.joined(separator: " ")): \(onOneLine(said, limit: 500))")
        }
    }
}
