import CLinux
import Glibc

package enum FileReadFailure: Error, Equatable, Sendable {
    case system(SystemError)
    /// A folder, a device, a FIFO.
    case notARegularFile
    case tooLarge(limit: Int)

    package var reason: String {
        switch self {
        case .system(let error): error.reason
        case .notARegularFile: "it is not a regular file"
        case .tooLarge(let limit): "it is larger than \(limit) bytes"
        }
    }
}

/// A regular file that is open to be read. Whatever else stands at a path is not opened: a FIFO may make its reader
/// wait for ever, and a device may do something.
package struct RegularFile: ~Copyable {
    private let descriptor: FileDescriptor
    package let status: stat

    private init(_ descriptor: consuming FileDescriptor, _ status: stat) {
        self.descriptor = descriptor
        self.status = status
    }

    /// A relative path begins at `folder`, which is open.
    package static func open(
        _ path: String, in folder: Int32 = AT_FDCWD, followingLinks: Bool = true
    ) throws(FileReadFailure) -> RegularFile {
        var status = stat()
        guard fstatat(folder, path, &status, followingLinks ? 0 : AT_SYMLINK_NOFOLLOW) == 0 else {
            throw .system(SystemError("stat"))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile }
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (followingLinks ? 0 : O_NOFOLLOW)
        let opened = openat(folder, path, flags)
        guard opened >= 0 else { throw .system(SystemError("open")) }
        let descriptor = FileDescriptor(owning: opened)
        // It may have become another one meanwhile.
        guard fstat(descriptor.raw, &status) == 0 else { throw .system(SystemError("fstat")) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile }
        return RegularFile(descriptor, status)
    }

    /// All that is in it, up to the limit.
    package func read(limit: Int) throws(FileReadFailure) -> [UInt8] { try readToEnd(descriptor.raw, limit: limit) }

    /// The next bytes of it, as many as there are and fit; none at its end.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileReadFailure) -> Int {
        while true {
            let count = Glibc.read(descriptor.raw, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw .system(SystemError("read")) }
        }
    }

    /// The same from a place on, wherever the others have come to.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileReadFailure) -> Int {
        while true {
            let count = pread(descriptor.raw, buffer.baseAddress, buffer.count, off_t(offset))
            if count >= 0 { return count }
            guard errno == EINTR else { throw .system(SystemError("pread")) }
        }
    }

    /// As it is by now.
    package func statusNow() -> stat {
        var status = stat()
        fstat(descriptor.raw, &status)
        return status
    }
}

/// Reads a regular file whole, up to the limit.
package func readFile(_ path: String, limit: Int) throws(FileReadFailure) -> [UInt8] {
    try RegularFile.open(path).read(limit: limit)
}

/// The same as text; bytes that are none are replaced.
package func readText(_ path: String, limit: Int = 1 << 20) throws(FileReadFailure) -> String {
    String(decoding: try readFile(path, limit: limit), as: UTF8.self)
}

/// Reads a descriptor to its end, up to the limit.
package func readToEnd(_ descriptor: Int32, limit: Int) throws(FileReadFailure) -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
        let count = withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { buffer in
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count > 0 { bytes.append(contentsOf: buffer[..<count]) }
            return count
        }
        if count == 0 { return bytes }
        if count < 0 {
            if errno == EINTR { continue }
            throw .system(SystemError("read"))
        }
        guard bytes.count <= limit else { throw .tooLarge(limit: limit) }
    }
}

/// The same for a descriptor whose other end may be slow. `patience` says how long to wait for more; nil once it says
/// nothing.
package func readToEnd(
    _ descriptor: Int32, limit: Int, patience: () -> Duration?
) throws(FileReadFailure) -> [UInt8]? {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while let wait = patience() {
        var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        guard poll(&polled, 1, wait.pollMilliseconds) != 0 else { continue }
        let count = read(descriptor, &chunk, chunk.count)
        if count == 0 { return bytes }
        guard count > 0 else {
            if errno == EINTR || errno == EAGAIN { continue }
            throw .system(SystemError("read"))
        }
        bytes += chunk[..<count]
        guard bytes.count <= limit else { throw .tooLarge(limit: limit) }
    }
    return nil
}

/// Writes every byte, however the descriptor takes them.
package func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) throws(SystemError) {
    var sent = 0
    while sent < bytes.count {
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent) }
        if count >= 0 {
            sent += count
        } else if errno == EAGAIN {
            var polled = [pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)]
            poll(&polled, 1, -1)
        } else if errno != EINTR {
            throw SystemError("write")
        }
    }
}

/// Writes a file whole, in place. The mode is that of a new file.
package func writeFile(_ path: String, _ text: String, mode: mode_t = 0o600) throws(SystemError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw SystemError("open \(path)") }
    let file = FileDescriptor(owning: descriptor)
    try writeAll(file.raw, Array(text.utf8))
}

/// Writes a file whole or not at all: whoever reads it sees the old one or the new one. With `outlivesPowerLoss` this
/// holds also after the machine has lost its power. The mode is the new file's. Where the path is a link, the file that
/// it points to is replaced. What cannot be replaced (a pipe, a device, a file that is a mount, one in a folder of
/// others) is written in place.
package func replaceFile(
    _ path: String, _ text: String, mode: mode_t = 0o600, outlivesPowerLoss: Bool = true
) throws(SystemError) {
    let path = realPath(path) ?? path
    if let kind = fileKind(path), kind != .regular { return try writeFile(path, text, mode: mode) }
    do throws(SystemError) {
        try replaceRegularFile(path, text, mode: mode, isSynced: outlivesPowerLoss)
    } catch {
        guard [EACCES, EPERM, EBUSY].contains(error.code), fileKind(path) != nil else { throw error }
        try writeFile(path, text, mode: mode)
    }
}

/// Why `replaceFile` could not write there, as far as that can be known before; nil where nothing speaks against it.
package func reasonNotToWrite(_ path: String) -> String? {
    let path = realPath(path) ?? path
    let parent = parentFolder(path)
    return switch (fileKind(parent), fileKind(path)) {
    case (nil, _): "there is no folder \(parent)"
    case (.regular?, _), (.other?, _): "\(parent) is no folder"
    case (_, .folder?): "\(path) is a folder"
    case (_, .other?): access(path, W_OK) == 0 ? nil : "\(path) cannot be written to"
    case (_, .regular?) where access(path, W_OK) == 0: nil
    default: access(parent, W_OK | X_OK) == 0 ? nil : "the folder \(parent) cannot be written to"
    }
}

private func replaceRegularFile(
    _ path: String, _ text: String, mode: mode_t, isSynced: Bool
) throws(SystemError) {
    let draft = try FileDraft(of: path, mode: mode)
    try draft.write(Array(text.utf8))
    try draft.commit(isSynced: isSynced)
}

/// A file that is written beside its place, and takes it as soon as it is whole. One that is let go of before is gone.
package final class FileDraft {
    private let path: String
    private let draft: String
    private let file: FileDescriptor
    private var isCommitted = false

    /// The mode is the new file's.
    package init(of path: String, mode: mode_t) throws(SystemError) {
        self.path = path
        draft = "\(path).\(getpid()).part"
        // A process that had our pid before may have been killed and have left its draft.
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw SystemError("open \(draft)") }
        file = FileDescriptor(owning: descriptor)
    }

    deinit {
        if !isCommitted { unlink(draft) }
    }

    package var draftPath: String { draft }

    package func write(_ bytes: [UInt8]) throws(SystemError) { try writeAll(file.raw, bytes) }

    /// With `isSynced` the file is whole also after the machine has lost its power. Without `replaces`, what stands in
    /// its place already stays, and the error is EEXIST.
    package func commit(isSynced: Bool = true, replaces: Bool = true) throws(SystemError) {
        // The name may be on the disk before the content is, unless that is waited for.
        guard !isSynced || fsync(file.raw) == 0 else { throw SystemError("fsync \(draft)") }
        if replaces {
            guard rename(draft, path) == 0 else { throw SystemError("rename \(draft)") }
        } else {
            guard link(draft, path) == 0 else { throw SystemError("link \(path)") }
            unlink(draft)
        }
        isCommitted = true
        guard isSynced else { return }
        let folder = open(parentFolder(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        // Not every file system can do this with a folder; the file is whole in any case.
        fsync(folder)
        close(folder)
    }
}

/// Makes the folder and those above it that are missing; one that is there already is left as it is.
package func makeFolder(_ path: String, mode: mode_t = 0o700) throws(SystemError) {
    if mkdir(path, mode) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, path != "/", !path.isEmpty else { throw SystemError("mkdir \(path)") }
    try makeFolder(parentFolder(path), mode: mode)
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw SystemError("mkdir \(path)") }
}

/// The names in a folder, "." and ".." left out, in order.
package func folderEntries(_ path: String) throws(SystemError) -> [String] {
    guard let folder = opendir(path) else { throw SystemError("opendir \(path)") }
    defer { closedir(folder) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." { names.append(name) }
        errno = 0
    }
    // The end of the folder and a failure look alike otherwise.
    guard errno == 0 else { throw SystemError("readdir \(path)") }
    return names.sorted()
}

/// Whether anything stands at the path, a link that leads nowhere too. Throws where that cannot be told.
package func fileExists(_ path: String) throws(SystemError) -> Bool {
    var status = stat()
    if lstat(path, &status) == 0 { return true }
    guard errno == ENOENT || errno == ENOTDIR else { throw SystemError("lstat \(path)") }
    return false
}

/// Keeps room on the disk for what the file grows by from now on: so far it can be written on a full disk too. Makes
/// the file, empty, where it is missing. Where the disk has little room, none is taken.
package func reserveSpace(in path: String, beyondItsEnd growth: Int) throws(SystemError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw SystemError("open \(path)") }
    let file = FileDescriptor(owning: descriptor)
    var status = stat()
    guard fstat(file.raw, &status) == 0 else { throw SystemError("fstat \(path)") }
    let size = Int(status.st_size) + growth
    // In blocks of 512 bytes, whatever the file system's own are.
    if status.st_blocks * 512 >= size { return }
    var disk = statvfs()
    guard fstatvfs(file.raw, &disk) == 0 else { throw SystemError("fstatvfs \(path)") }
    guard Int(disk.f_bavail) * Int(disk.f_frsize) >= 3 * growth else { throw SystemError("reserve \(path)", ENOSPC) }
    guard lian_reserve_space(file.raw, size) == 0 else { throw SystemError("fallocate \(path)") }
}

package enum FileKind: Equatable, Sendable {
    case regular, folder, other
}

/// What stands at a path, links followed; nil where nothing does.
package func fileKind(_ path: String) -> FileKind? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return switch status.st_mode & S_IFMT {
    case S_IFREG: .regular
    case S_IFDIR: .folder
    default: .other
    }
}

/// The path with every link resolved; nil where there is nothing.
package func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}

/// Whether a path without '..' leads into the folder, or to the folder itself.
package func isPath(_ path: String, within folder: String) -> Bool {
    path.utf8.elementsEqual(folder.utf8) || path.utf8.starts(with: (folder == "/" ? "/" : folder + "/").utf8)
}

/// `path` as seen from `folder`, with `.` and `..` taken out by their letters alone.
package func absolutePath(_ path: String, from folder: String) -> String {
    let joined = path.utf8.first == UInt8(ascii: "/") ? path : "\(folder)/\(path)"
    var parts: [Substring] = []
    for part in pathParts(joined) where part != "." {
        if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
}

/// The names on a path. For a kernel a slash is one whatever follows it; for Swift, a mark that combines with it makes
/// another character of it.
package func pathParts(_ path: String) -> [Substring] {
    path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }
}

package func parentFolder(_ path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
}

/// nil where it was removed, or cannot be reached from the root.
package func currentFolder() -> String? {
    guard let buffer = getcwd(nil, 0) else { return nil }
    defer { free(buffer) }
    let path = String(cString: buffer)
    // Linux says so of a folder that is outside of the process's root.
    return path.utf8.first == UInt8(ascii: "/") ? path : nil
}

/// What a path has behind a folder that it begins with. By bytes: there are letters that are one character together with
/// a slash behind them, and letters of several bytes.
package func pathBehind(_ folder: String, of path: String) -> String {
    String(Substring(path.utf8.dropFirst(folder.utf8.count)))
}

/// The path, or the nearest above it at which something stands.
package func nearestFolder(_ path: String) -> String {
    var path = path
    while path != "/", fileKind(path) == nil { path = parentFolder(path) }
    return path
}
