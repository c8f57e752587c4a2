import Foundation
import Glibc
import LianSystem
import LianTestSupport
import Testing

@Suite struct FileTests {
    /// To open a FIFO may take for ever, to open a device may do something: each is known by a look at it.
    @Test func onlyRegularFilesAreOpened() async throws {
        try await withTemporaryFolder { folder in
            let fifo = folder.appending(path: "fifo").path
            let plain = folder.appending(path: "plain").path
            mkfifo(fifo, 0o600)
            try Data("text".utf8).write(to: URL(filePath: plain))
            symlink("fifo", folder.appending(path: "link").path)
            let watch = FileDescriptor(owning: inotify_init1(Int32(IN_NONBLOCK)))
            let watched = [
                inotify_add_watch(watch.raw, fifo, UInt32(IN_OPEN)),
                inotify_add_watch(watch.raw, plain, UInt32(IN_OPEN)),
            ]
            for path in [fifo, folder.appending(path: "link").path, folder.path, "/dev/zero"] {
                #expect(throws: FileReadFailure.notARegularFile) { try readFile(path, limit: 100) }
            }
            #expect(try readFile(plain, limit: 100) == Array("text".utf8))
            var event = inotify_event()
            #expect(read(watch.raw, &event, MemoryLayout<inotify_event>.size) > 0 && event.wd == watched[1])
            #expect(read(watch.raw, &event, MemoryLayout<inotify_event>.size) < 0)
        }
    }

    @Test func noMoreIsReadThanTheLimit() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "sparse").path
            try Data("text".utf8).write(to: URL(filePath: path))
            #expect(try readFile(path, limit: 4).count == 4)
            #expect(throws: FileReadFailure.tooLarge(limit: 3)) { try readFile(path, limit: 3) }
            truncate(path, 1 << 42)
            #expect(throws: FileReadFailure.tooLarge(limit: 1 << 20)) { try readFile(path, limit: 1 << 20) }
            #expect(throws: FileReadFailure.self) { try readFile(path + "/below", limit: 4) }
        }
    }

    @Test func aLinkIsFollowedWhereItMayBe() async throws {
        try await withTemporaryFolder { folder in
            let link = folder.appending(path: "link").path
            try Data("text".utf8).write(to: folder.appending(path: "plain"))
            symlink("plain", link)
            #expect(try RegularFile.open(link).read(limit: 4).count == 4)
            #expect(throws: FileReadFailure.notARegularFile) {
                try RegularFile.open(link, followingLinks: false).read(limit: 4)
            }
        }
    }
}
