import Glibc
import LianModel
import LianSystem

/// Where volumes lie, and how they are cloned. It keeps no books: all that it knows is the names that it is given, of
/// runners and of generations.
///
/// A volume is a folder with exactly `engine` (the engine's data) and `contexts` (where the user writes contexts). Every
/// call may block. `keep` happens whole or not at all, and is on the disk when it returns: what `contents` lists as kept
/// can be handed out. Removing what is not there is no error.
package protocol VolumeStorage: Sendable {
    /// How it keeps volumes, for the log.
    var name: String { get }
    var support: VolumeSupport { get }
    /// Whether what is kept is the runner's own folder, moved. Then nobody else gets it before the runner is gone.
    var keepsByMoving: Bool { get }

    /// The volume's folder that the runner has.
    func folder(lentTo runnerID: String) -> String
    /// Makes an empty volume for the runner.
    func make(for runnerID: String) throws(VolumeStorageError)
    /// Gives the runner a clone of the generation; where the support is exclusive, the generation itself.
    func clone(_ generation: String, for runnerID: String) throws(VolumeStorageError)
    /// What is wrong with the form of the runner's volume; nil where nothing is.
    func fault(lentTo runnerID: String) throws(VolumeStorageError) -> String?
    func size(lentTo runnerID: String) throws(VolumeStorageError) -> Int
    /// Returns once all that was written to the runner's volume is on the disk.
    func flush(lentTo runnerID: String) throws(VolumeStorageError)
    func keep(lentTo runnerID: String, as generation: String) throws(VolumeStorageError)
    func remove(lentTo runnerID: String) throws(VolumeStorageError)
    func remove(generation: String) throws(VolumeStorageError)
    func contents() throws(VolumeStorageError) -> VolumeContents
    func room() throws(VolumeStorageError) -> VolumeRoom
    /// Does the part of the removals that takes time.
    func emptyTrash() throws(VolumeStorageError)
    /// Undoes what was mounted for the storage, when nobody uses it any more.
    func close() throws(VolumeStorageError)
}

package struct VolumeContents: Equatable, Sendable {
    /// Ids of generations.
    package var kept: Set<String> = []
    /// Ids of runners.
    package var lent: Set<String> = []
}

package struct VolumeRoom: Equatable, Sendable {
    package var free: Int
    package var size: Int

    /// A build on a volume with less room would fail where it would not without one, and btrfs needs some room even to
    /// delete.
    package var isLow: Bool { missing > 0 }

    /// How much would have to become free.
    package var missing: Int { min(size / 10, Self.enough) - free }

    private static let enough = 5 << 30
}

package struct VolumeStorageError: Error, CustomStringConvertible, Sendable {
    package let description: String
    package let isDiskFull: Bool

    package init(_ description: String, isDiskFull: Bool = false) {
        self.description = description
        self.isDiskFull = isDiskFull
    }

    init(call: String, code: Int32 = errno) {
        self.init("\(SystemError(call, code))", isDiskFull: code == ENOSPC || code == EDQUOT)
    }

    init(_ error: any Error) {
        switch error {
        case let error as VolumeStorageError: self = error
        case let error as SystemError:
            self.init("\(error)", isDiskFull: error.code == ENOSPC || error.code == EDQUOT)
        default: self.init("\(error)")
        }
    }
}

/// Turns any error into one that the books understand.
func asStorageError<Value>(_ body: () throws -> Value) throws(VolumeStorageError) -> Value {
    do {
        return try body()
    } catch {
        throw VolumeStorageError(error)
    }
}
