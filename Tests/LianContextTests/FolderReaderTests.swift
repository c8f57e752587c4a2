import Foundation
import Glibc
import LianSystem
import LianTestSupport
import Testing

@testable import LianContext

@Suite struct FolderReaderTests {
    /// More than the kernel hands over at a time, and names of every length.
    @Test func aFolderOfAnySizeIsReadWhole() async throws {
        try await withTemporaryFolder { folder in
            var expected: Set<String> = []
            for index in 0..<800 {
                let name = "\(index)" + String(repeating: "n", count: index % 250)
                expected.insert(name)
                #expect(FileManager.default.createFile(atPath: "\(folder.path)/\(name)", contents: nil))
            }
            for name in ["...", ".hidden", "..dots"] {
                expected.insert(name)
                #expect(mkdir("\(folder.path)/\(name)", 0o755) == 0)
            }
            var reader = try FolderReader(root: AT_FDCWD, path: folder.path)
            var found: [String] = []
            var folders = 0
            while let entry = try reader.next() {
                found.append(String(decoding: entry.name, as: UTF8.self))
                if entry.isFolder == true { folders += 1 }
            }
            #expect(found.count == expected.count && Set(found) == expected)
            #expect(folders == 3)
        }
    }

    @Test func aFolderThatWasRemovedHasNothingInIt() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "gone").path
            #expect(mkdir(path, 0o755) == 0)
            var reader = try FolderReader(root: AT_FDCWD, path: path)
            #expect(rmdir(path) == 0)
            let entry = try reader.next()
            #expect(entry == nil)
        }
    }
}
