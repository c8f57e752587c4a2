import Glibc

/// Something of a context that travels, as the walk comes by. Its pointers hold for the call it is handed to.
package struct ContextEntry {
    package enum Kind: Equatable, Sendable {
        case folder
        case file(bytes: Int)
        /// Sent as a link, wherever it points.
        case link(bytes: Int)
        /// A FIFO, a socket or a device. BuildKit takes all of them: it makes a device and, in later versions, a FIFO anew,
        /// and an empty file of a socket. rsync makes each anew too, but a device only where it runs as root.
        case special
    }

    /// Relative to the context, any bytes but NUL.
    package let path: UnsafeBufferPointer<UInt8>
    package let kind: Kind
    /// Where nobody but the owner may read it.
    package let isPrivate: Bool

    /// For opening it: the folder that it is in, and its name there.
    let opening: (folder: Int32, name: UnsafePointer<CChar>)?

    package var pathText: String { String(decoding: path, as: UTF8.self) }
    package var name: UnsafeBufferPointer<UInt8> {
        let start = (path.lastIndex(of: GoText.slash) ?? -1) + 1
        return UnsafeBufferPointer(rebasing: path[start...])
    }

    /// What a file begins with; empty where it cannot be read.
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
