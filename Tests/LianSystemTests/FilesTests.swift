import Foundation
import Glibc
import LianSystem
import LianTestSupport
import Testing

@Suite struct FilesTests {
    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func aFileIsReplacedWhole() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "file").path
            let link = folder.appending(path: "link").path
            // What an earlier process of this number was killed over.
            try writeFile("\(file).\(getpid()).part", "half")
            try replaceFile(file, "one", mode: 0o600)
            #expect(mode(file) == 0o600)
            let first = try FileHandle(forReadingFrom: URL(filePath: file))
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
            try replaceFile(link, "two", mode: 0o640)
            #expect(try readText(file) == "two")
            #expect(mode(file) == 0o640)
            // Whoever has opened the old one reads it to its end.
            #expect(try first.readToEnd() == Data("one".utf8))
            #expect(try folderEntries(folder.path) == ["file", "link"])
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == file)
        }
    }

    @Test func aFileIsNotReplacedWhereThatIsWanted() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "file").path
            func put(_ text: String) throws {
                let draft = try FileDraft(of: file, mode: 0o600)
                try draft.write(Array(text.utf8))
                try draft.commit(replaces: false)
            }
            try put("one")
            let error = #expect(throws: SystemError.self) { try put("two") }
            #expect(error?.code == EEXIST)
            #expect(try readText(file) == "one")
            #expect(mode(file) == 0o600)
            #expect(try folderEntries(folder.path) == ["file"])
        }
    }

    /// For Swift, U+0338 makes one character with the slash before it, and both spellings of é are equal.
    @Test func pathsAreTakenApartByTheirBytes() {
        #expect(pathParts("/a//\u{338}b/e\u{301}") == ["a", "\u{338}b", "e\u{301}"])
        #expect(parentFolder("/a/\u{338}b") == "/a")
        #expect(absolutePath("\u{338}b/../\u{338}c", from: "/a") == "/a/\u{338}c")
        #expect(absolutePath("/\u{338}b", from: "/a") == "/\u{338}b")
        #expect(isPath("/a/\u{338}b", within: "/a"))
        #expect(!isPath("/e\u{301}/x", within: "/\u{e9}") && !isPath("/e\u{301}", within: "/\u{e9}"))
    }

    @Test func whatIsNoFileIsWrittenInPlace() async throws {
        try await withTemporaryFolder { folder in
            let pipe = folder.appending(path: "pipe").path
            try #require(mkfifo(pipe, 0o600) == 0)
            let reader = FileDescriptor(owning: open(pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC))
            try replaceFile(pipe, "through it")
            #expect(try readToEnd(reader.raw, limit: 100) == Array("through it".utf8))
            #expect(try folderEntries(folder.path) == ["pipe"])
            try replaceFile("/dev/null", "gone")
        }
    }

    /// The folder is full: what was there before still is, whole, and nothing beside it.
    @Test(.needsRoot) func aFullDiskLeavesTheOldOne() async throws {
        try await withTemporaryFolder { folder in
            let place = folder.appending(path: "small").path
            try makeFolder(place)
            try #require(mount("tmpfs", place, "tmpfs", 0, "size=64k") == 0)
            defer { umount2(place, Int32(MNT_DETACH)) }
            let file = "\(place)/file"
            try replaceFile(file, "old")
            let error = #expect(throws: SystemError.self) {
                try replaceFile(file, String(repeating: "x", count: 128 << 10))
            }
            #expect(error?.code == ENOSPC)
            #expect(try readText(file) == "old")
            #expect(try folderEntries(place) == ["file"])
        }
    }

    /// A file on which another is mounted cannot be renamed over.
    @Test(.needsRoot) func aMountedFileIsWrittenInPlace() async throws {
        try await withTemporaryFolder { folder in
            let (file, mounted) = (folder.appending(path: "file").path, folder.appending(path: "mounted").path)
            try writeFile(file, "under")
            try writeFile(mounted, "over")
            try #require(mount(mounted, file, nil, UInt(MS_BIND), nil) == 0)
            defer { umount2(file, Int32(MNT_DETACH)) }
            try replaceFile(file, "new")
            #expect(try readText(mounted) == "new")
        }
    }
}
