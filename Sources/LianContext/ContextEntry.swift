import Glibc
import LianModel
import LianSystem

/// An item of a context that travels, with its details from the file system. Its pointers are valid only during the
/// call that it is passed to.
package struct ContextEntry {
    package enum Kind: Equatable, Sendable {
        case folder
        case file(bytes: Int)
        /// A link; it is sent as a link, wherever it points.
        case link(bytes: Int)
        /// A FIFO, a socket or a device. BuildKit takes all of them: it makes a new device and, in later versions, a
        /// new FIFO, and turns a socket into an empty file. rsync makes each of them anew, but a device only when it
        /// runs as root.
        case special
    }

    /// Relative to the context; any bytes but NUL.
    package let path: UnsafeBufferPointer<UInt8>
    package let kind: Kind
    /// Whether only the owner may read it.
    package let isPrivate: Bool

    /// For opening it: the folder that contains it and its name there.
    let opening: (folder: Int32, name: UnsafePointer<CChar>)?

    private static let isSuperuser = geteuid() == 0

    /// Nil where the entry has disappeared since its name was read.
    init?(_ name: WalkedName) throws(LianError) {
        path = name.path
        opening = name.opening
        guard let (folder, fileName) = name.opening else {
            kind = .folder
            isPrivate = false
            return
        }
        guard let status = try name.status() else { return nil }
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file(bytes: max(0, status.st_size))
            case S_IFLNK: .link(bytes: max(0, status.st_size))
            default: .special
            }
        isPrivate = status.st_mode & 0o077 == 0
        // Whether we may read it is checked only where not everybody may.
        let isOpenToAll = status.st_mode & 0o444 == 0o444
        if case .file = kind, !isOpenToAll, !Self.isSuperuser, faccessat(folder, fileName, R_OK, AT_EACCESS) != 0 {
            throw name.unreadable(SystemError("faccessat"))
        }
    }

    package var pathText: String { String(decoding: path, as: UTF8.self) }
    package var name: UnsafeBufferPointer<UInt8> {
        let start = (path.lastIndex(of: GoText.slash) ?? -1) + 1
        return UnsafeBufferPointer(rebasing: path[start...])
    }

    /// The first bytes of the file; empty where it cannot be read.
    package func firstBytes(_ count: Int) -> [UInt8] {
        guard let (folder, name) = opening else { return [] }
        let opened = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard opened >= 0 else { return [] }
        defer { close(opened) }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, read(opened, buffer.baseAddress, count))
        }
    }
}
