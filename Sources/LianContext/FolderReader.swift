import Glibc
import LianSystem

/// Reads the entries of one folder.
struct FolderReader: ~Copyable {
    private let stream: OpaquePointer

    /// Opens the folder at a path below `root`, which ends in a NUL.
    init(root: Int32, path: UnsafePointer<CChar>) throws(SystemError) {
        let descriptor = openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError("openat") }
        guard let stream = fdopendir(descriptor) else {
            let failure = SystemError("fdopendir")
            close(descriptor)
            throw failure
        }
        self.stream = stream
    }

    deinit {
        closedir(stream)
    }

    var descriptor: Int32 { dirfd(stream) }

    struct Entry {
        let name: UnsafeBufferPointer<UInt8>
        let type: UInt8

        /// Nil where the file system does not tell.
        var isFolder: Bool? { type == UInt8(DT_UNKNOWN) ? nil : type == UInt8(DT_DIR) }
    }

    /// The next entry, nil after the last one; valid until the next call.
    func next() throws(SystemError) -> Entry? {
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw SystemError("readdir") }
                return nil
            }
            let name = UnsafeRawPointer(entry).advanced(by: Self.nameOffset).assumingMemoryBound(to: UInt8.self)
            let bytes = UnsafeBufferPointer(
                start: name, count: strlen(UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self)))
            if Self.isDots(bytes) { continue }
            return Entry(name: bytes, type: entry.pointee.d_type)
        }
    }

    private static let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0

    private static func isDots(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        name.count <= 2 && name.allSatisfy { $0 == UInt8(ascii: ".") }
    }
}
