import Foundation
import Glibc
import LianSystem

/// A file system of that size at the folder, for the length of the body. Only root can mount one.
package func withSmallDisk<Result>(
    at folder: String, kilobytes: Int = 1024, _ body: (String) async throws -> Result
) async throws -> Result {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    guard mount("tmpfs", folder, "tmpfs", 0, "size=\(kilobytes)k") == 0 else { throw SystemError("mount \(folder)") }
    let result: Swift.Result<Result, any Error>
    do {
        result = .success(try await body(folder))
    } catch {
        result = .failure(error)
    }
    umount2(folder, Int32(MNT_DETACH))
    return try result.get()
}

/// Leaves no room on the folder's file system. Again: takes what has become free since.
package func fill(_ folder: String) {
    let file = open("\(folder)/all", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    let zeros = [UInt8](repeating: 0, count: 4096)
    while write(file, zeros, zeros.count) > 0 {}
    close(file)
}
