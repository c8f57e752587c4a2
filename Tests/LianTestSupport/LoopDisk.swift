import Foundation
import Glibc
import LianSystem

/// A file system of that kind, in a file beside the folder, mounted there for the length of the body. Only root can
/// mount one.
package func withLoopDisk<Result>(
    _ kind: String, megabytes: Int = 1024, at folder: String, options: String = "nosuid,nodev",
    _ body: () async throws -> Result
) async throws -> Result {
    guard let maker = findExecutable("mkfs.\(kind)", path: systemPrograms) else {
        throw FixtureError("there is no mkfs.\(kind)")
    }
    let file = "\(folder).\(kind)"
    try makeFolder(folder)
    try writeFile(file, "")
    guard truncate(file, megabytes << 20) == 0 else { throw SystemError("truncate \(file)") }
    // mkfs.btrfs looks at every loop device, and fails where one of another test's goes meanwhile.
    var end = try await run(Command(maker, ["-q", file], environment: [:]), deadline: .seconds(60))
    while end.errorText.contains("cannot check mount status") {
        end = try await run(Command(maker, ["-q", file], environment: [:]), deadline: .seconds(60))
    }
    guard end.termination.isSuccess else { throw FixtureError("mkfs.\(kind): \(end.errorText)") }
    // The device goes with the mount.
    try await runTool("/bin/mount", ["-t", kind, "-o", "loop,\(options)", file, folder])
    let result: Swift.Result<Result, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    umount2(folder, Int32(MNT_DETACH))
    unlink(file)
    return try result.get()
}

package let systemPrograms = "/usr/sbin:/sbin:/usr/bin:/bin"
