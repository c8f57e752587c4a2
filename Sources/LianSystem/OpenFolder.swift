import Glibc

/// A folder that is open. What is in it is reached by its name alone, and no link is followed on the way, whoever else may
/// write there.
package final class OpenFolder: Sendable {
    /// A name as the system has it, any bytes, with a NUL behind them.
    package typealias Name = [CChar]

    private let descriptor: FileDescriptor

    /// A relative path begins at `folder`, which is open. Of the last name on it, and of no other, a link is not followed.
    package convenience init(_ path: String, in folder: Int32 = AT_FDCWD) throws(SystemError) {
        try self.init(Array(path.utf8CString), in: folder)
    }

    private init(_ path: Name, in folder: Int32) throws(SystemError) {
        let opened = openat(folder, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard opened >= 0 else { throw SystemError("open") }
        descriptor = FileDescriptor(owning: opened)
    }

    package var raw: Int32 { descriptor.raw }

    package func folder(_ name: Name) throws(SystemError) -> OpenFolder { try OpenFolder(name, in: raw) }

    /// The same of a folder that is this user's, which is then all its owner's: what its mode was before may have kept
    /// its owner out.
    package func ownFolder(_ name: Name) throws(SystemError) -> OpenFolder {
        if let found = try? folder(name) {
            if found.status.st_mode & 0o700 != 0o700 { fchmod(found.raw, found.status.st_mode & 0o7777 | 0o700) }
            return found
        }
        // Of a link this changes nothing.
        fchmodat(raw, name, 0o700, AT_SYMLINK_NOFOLLOW)
        return try folder(name)
    }

    /// The same of a folder that can be written to, or that this user can make so.
    package func writableFolder(_ name: Name) throws(SystemError) -> OpenFolder {
        let isOwn = try status(name)?.st_uid == geteuid()
        // One that cannot even be looked into is opened at once.
        guard let found = try? folder(name) else { return isOwn ? try ownFolder(name) : try folder(name) }
        guard faccessat(found.raw, ".", W_OK | X_OK, AT_EACCESS) != 0 else { return found }
        guard errno == EACCES, isOwn else { throw SystemError("access") }
        return found
    }

    /// Of what the name stands for, a link itself; nil where there is nothing.
    package func status(_ name: Name) throws(SystemError) -> stat? {
        var status = stat()
        if fstatat(raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return status }
        guard errno == ENOENT else { throw SystemError("stat") }
        return nil
    }

    /// Of the folder itself.
    package var status: stat {
        var status = stat()
        fstat(raw, &status)
        return status
    }

    /// The names in it, "." and ".." left out.
    package func names() throws(SystemError) -> [Name] {
        let opened = openat(raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0, let stream = fdopendir(opened) else { throw SystemError("opendir") }
        defer { closedir(stream) }
        var names: [Name] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
            }
            if name != [46, 0], name != [46, 46, 0] { names.append(name) }
            errno = 0
        }
        // The end of the folder and a failure look alike otherwise.
        guard errno == 0 else { throw SystemError("readdir") }
        return names
    }

    /// Removes what the name stands for: a folder with all that is in it, and of a link the link.
    package func removeTree(_ name: Name) {
        // In a folder that may not be written to, nothing can be removed.
        if let folder = try? ownFolder(name) {
            for inner in (try? folder.names()) ?? [] { folder.removeTree(inner) }
            unlinkat(raw, name, AT_REMOVEDIR)
        } else {
            unlinkat(raw, name, 0)
        }
    }
}

/// Removes what stands at the path: a folder with all that is in it, and of a link the link.
package func removeTree(_ path: String) {
    guard let parent = try? OpenFolder(realPath(parentFolder(path)) ?? parentFolder(path)),
        let name = path.split(separator: "/").last
    else { return }
    parent.removeTree(Array(String(name).utf8CString))
}
