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
