import Foundation

/// A folder of a test's own, gone with the test. In memory, thousands of files cost nothing on a busy disk.
package func withTemporaryFolder<Result>(
    inMemory: Bool = false, _ body: (URL) async throws -> Result
) async throws -> Result {
    let parent = inMemory ? URL(filePath: "/dev/shm") : FileManager.default.temporaryDirectory
    return try await withFolder(parent.appending(path: "lian-test-\(UUID().uuidString)"), body)
}

/// The same with a short path, for sockets, whose paths may have 107 bytes and no more.
package func withShortTemporaryFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    try await withFolder(
        FileManager.default.temporaryDirectory.appending(path: "lo-\(UUID().uuidString.prefix(8))"), body)
}

private func withFolder<Result>(_ folder: URL, _ body: (URL) async throws -> Result) async throws -> Result {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}
