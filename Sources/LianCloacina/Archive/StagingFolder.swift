import Glibc
import LianSystem

/// A folder of a command's own, gone with all that is in it as soon as it is let go of.
package final class StagingFolder: Sendable {
    package let path: String

    /// In TMPDIR.
    package convenience init(environment: [String: String]) throws(CloacinaError) {
        let wanted = environment["TMPDIR"] ?? ""
        try self.init(in: wanted.hasPrefix("/") ? wanted : "/tmp", named: "lian-cloacina-")
    }

    package init(in parent: String, named prefix: String) throws(CloacinaError) {
        do throws(SystemError) {
            path = try makeFolderOfItsOwn(in: parent, named: prefix)
        } catch {
            throw .unwritable(parent, SystemError("mkdtemp", error.code))
        }
    }

    deinit {
        removeTree(path)
    }
}

/// Removes what stands there, links and not what they lead to.
private func removeTree(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
        unlink(path)
        return
    }
    for name in (try? folderEntries(path)) ?? [] { removeTree("\(path)/\(name)") }
    rmdir(path)
}
