import Foundation

/// A folder of a test's own, gone with the test.
package func withTemporaryFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    try await withFolder(named: "lian-test-\(UUID().uuidString)", body)
}

/// The same with a short path, for sockets, whose paths may have 107 bytes and no more.
package func withShortTemporaryFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    try await withFolder(named: "lo-\(UUID().uuidString.prefix(8))", body)
}

private func withFolder<Result>(named name: String, _ body: (URL) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}
