import Glibc
import LianModel
import LianSystem

/// An item of a context that travels, known by its name alone. Its pointers are valid only during the call that it is
/// passed to.
struct WalkedName {
    /// Relative to the context, any bytes but NUL.
    let path: UnsafeBufferPointer<UInt8>
    /// For opening it: the folder that contains it and its name there. Nil for a folder, which the walk opens itself.
    let opening: (folder: Int32, name: UnsafePointer<CChar>)?

    /// Nil for a folder, and for an entry that has disappeared since its name was read.
    func status() throws(LianError) -> stat? {
        guard let (folder, name) = opening else { return nil }
        var status = stat()
        if fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return status }
        guard errno == ENOENT else { throw unreadable(SystemError("fstatat")) }
        return nil
    }

    func unreadable(_ failure: SystemError) -> LianError {
        .unreadable(String(decoding: path, as: UTF8.self), failure)
    }
}

extension LianError {
    static func unreadable(_ path: String, _ failure: SystemError) -> LianError {
        LianError(
            .contextUnreadable, .resolve, "cannot read \(path) in the context: \(failure.reason)",
            hint: "Make it readable, or exclude it in the ignore file.")
    }
}
