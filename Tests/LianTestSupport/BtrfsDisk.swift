import Foundation
import Glibc
import LianSystem

package enum BtrfsDisk {
    package static let maker = findExecutable("mkfs.btrfs", path: "/usr/sbin:/sbin:/usr/bin:/bin")

    /// A btrfs at the folder, for the length of the body. Only root can mount one.
    package static func with<Result>(
        at folder: String, megabytes: Int = 1024, options: String = "nosuid,nodev", _ body: () async throws -> Result
    ) async throws -> Result {
        guard let maker else { throw FixtureError("there is no mkfs.btrfs: apt-get install btrfs-progs") }
        let image = "\(folder).img"
        try makeFolder(folder)
        try writeFile(image, "")
        defer { unlink(image) }
        guard truncate(image, megabytes << 20) == 0 else { throw SystemError("truncate \(image)") }
        try await runTool(maker, ["--quiet", image])
        // The device goes with the mount.
        try await runTool("/bin/mount", ["-o", "loop,\(options)", image, folder])
        defer { umount2(folder, Int32(MNT_DETACH)) }
        return try await body()
    }
}
