import Glibc
import LianSystem

/// Writes an archive's members below a folder that is new and of its own.
package final class Unpacker: ArchiveVisitor {
    private let folder: String
    private var file: FileDescriptor?
    private var path = ""

    package init(into folder: String) {
        self.folder = folder
    }

    package func begin(_ entry: ArchiveEntry) throws(CloacinaError) {
        path = "\(folder)/\(entry.path)"
        do throws(SystemError) {
            try makeFolder(entry.isFolder ? path : parentFolder(path), mode: 0o755)
        } catch {
            throw .unwritable(path, error)
        }
        guard !entry.isFolder else { return }
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let opened = open(path, flags, mode_t(entry.isExecutable ? 0o755 : 0o644))
        guard opened >= 0 else { throw .unwritable(path, SystemError("open")) }
        file = FileDescriptor(owning: opened)
    }

    package func take(_ bytes: ArraySlice<UInt8>) throws(CloacinaError) {
        guard let descriptor = file?.raw else { return }
        do throws(SystemError) { try writeAll(descriptor, Array(bytes)) } catch { throw .unwritable(path, error) }
    }

    package func end() throws(CloacinaError) { file = nil }
}
