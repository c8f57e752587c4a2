import Foundation
import LianSystem
import LianTestSupport
import Testing

@testable import LianCloacina

@Suite struct ZipFileTests {
    @Test func readsWhatZipfileWrites() async throws {
        let long = String(repeating: "all work and no play\n", count: 9000) + UUID().uuidString
        let entries = [
            Wheels.Entry("a.py", "x = 1\n"), Wheels.Entry("b/", "", mode: 0o040755),
            Wheels.Entry("b/é.txt", "é", isStored: true), Wheels.Entry("b/run", "#!/bin/sh\n", mode: 0o100755),
            Wheels.Entry("empty", ""), Wheels.Entry("empty-stored", "", isStored: true),
            Wheels.Entry("long-stored", long, isStored: true), Wheels.Entry("./c//d.py", "y = 2\n", mode: 0),
        ]
        try await withZip(entries) { zip in
            #expect(
                zip.members.map(\.path)
                    == ["a.py", "b", "b/é.txt", "b/run", "empty", "empty-stored", "long-stored", "c/d.py"])
            #expect(zip.members.filter(\.isExecutable).map(\.path) == ["b", "b/run"])
            #expect(zip.members.filter(\.isFolder).map(\.path) == ["b"])
            var texts: [String] = []
            for member in zip.members where !member.isFolder {
                var bytes: [UInt8] = []
                try zip.read(member) { bytes += $0 }
                #expect(bytes.count == member.size)
                texts.append(String(decoding: bytes, as: UTF8.self))
            }
            #expect(texts == ["x = 1\n", "é", "#!/bin/sh\n", "", "", long, "y = 2\n"])
        }
    }

    @Test func readsInPiecesWhatIsLargerThanOne() async throws {
        var random = SeededGenerator(seed: 3)
        let text = (0..<40_000).map { _ in String(Int.random(in: 0..<1000, using: &random)) }.joined(separator: " ")
        try await withZip([Wheels.Entry("a", text)]) { zip in
            var bytes: [UInt8] = []
            var largest = 0
            try zip.read(zip.members[0]) {
                bytes += $0
                largest = max(largest, $0.count)
            }
            #expect(String(decoding: bytes, as: UTF8.self) == text)
            #expect(largest <= 1 << 16)
        }
    }

    @Test(arguments: [
        ("/etc/passwd", 0o100644, CloacinaCode.archiveAbsolutePath), ("../a", 0o100644, .archivePathTraversal),
        ("a/../../b", 0o100644, .archivePathTraversal), ("a", 0o120777, .archiveSymlink),
        ("a", 0o010644, .archiveSpecial), ("a", 0o040755, .archiveSpecial), ("a/", 0o100644, .archiveSpecial),
        ("a/b/", 0o020644, .archiveSpecial), (".", 0o100644, .archiveCorrupt),
        (String(repeating: "a", count: 256), 0o100644, .archiveTooLarge),
    ])
    func refusesMembers(path: String, mode: Int, code: CloacinaCode) async throws {
        let entries = [Wheels.Entry("good.py", "x = 1"), Wheels.Entry(path, "", mode: mode)]
        try await expectRefusal(of: entries, code)
    }

    @Test func refusesPathsThatAreInEachOthersWay() async throws {
        try await expectRefusal(of: [.init("a", "1"), .init("a", "2")], .archiveDuplicate)
        try await expectRefusal(of: [.init("a", "1"), .init("a/b", "2")], .archiveDuplicate)
        try await expectRefusal(of: [.init("a/b", "1"), .init("./a", "2")], .archiveDuplicate)
    }

    @Test func refusesCrowdsBeforeItReadsThem() async throws {
        try await expectRefusal(of: (0...ArchiveLimits.entries).map { .init("\($0)", "") }, .archiveTooManyEntries)
    }

    /// What is said of a member's size bounds what is made of it, and is bounded itself.
    @Test func believesNoSize() async throws {
        try await withTemporaryFolder { folder in
            try await Wheels.make([.init("a.whl", [.init("zeros", zeros: 20 << 20)])], in: folder)
            let path = folder.appending(path: "a.whl").path
            let whole = try readFile(path, limit: 1 << 20)
            let record = try #require(whole.firstRange(of: [0x50, 0x4B, 1, 2])).lowerBound
            func claiming(_ size: Int) throws -> ZipFile {
                var bytes = whole
                bytes.replaceSubrange(record + 24..<record + 28, with: (0..<4).map { UInt8(size >> (8 * $0) & 0xFF) })
                try Data(bytes).write(to: URL(filePath: path))
                return try ZipFile(path, stop: StopRequest())
            }
            let tooLarge = #expect(throws: CloacinaError.self) { try claiming(ArchiveLimits.bytes + 1) }
            #expect(tooLarge?.code == .archiveTooLarge)
            for size in [0, 10, 1 << 20] {
                let zip = try claiming(size)
                var read = 0
                let error = #expect(throws: CloacinaError.self) { try zip.read(zip.members[0]) { read += $0.count } }
                #expect(error?.code == .archiveCorrupt)
                #expect(read <= size)
            }
            let zip = try claiming(20 << 20)
            var read = 0
            try zip.read(zip.members[0]) { read += $0.count }
            #expect(read == 20 << 20)
        }
    }

    /// The directory is held, and so is no larger than what is allowed in it.
    @Test func believesNoSizeOfTheDirectory() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "a.whl").path
            let length = 17 << 20
            let end: [UInt8] =
                [0x50, 0x4B, 5, 6, 0, 0, 0, 0, 1, 0, 1, 0] + (0..<4).map { UInt8(length >> (8 * $0) & 0xFF) }
                + [UInt8](repeating: 0, count: 6)
            try Data([UInt8](repeating: 0, count: length) + end).write(to: URL(filePath: path))
            let error = #expect(throws: CloacinaError.self) { try ZipFile(path, stop: StopRequest()) }
            #expect(error?.code == .archiveCorrupt && error?.message.contains("larger than any") == true)
        }
    }

    /// Each byte of a zip file, changed: it is refused, or reads as before, and nothing traps.
    @Test func refusesDamage() async throws {
        let entries = [Wheels.Entry("a.py", "x = 1\nx = 2\nx = 3\n"), Wheels.Entry("b.py", "y", isStored: true)]
        try await withTemporaryFolder(inMemory: true) { folder in
            try await Wheels.make([Wheels.Wheel("a.whl", entries)], in: folder)
            let path = folder.appending(path: "a.whl").path
            let whole = try readFile(path, limit: 1 << 20)
            let content = try everything(in: path)
            var refused = 0
            for index in whole.indices {
                for change: UInt8 in [0x01, 0x80, 0xFF] {
                    var bytes = whole
                    bytes[index] ^= change
                    try Data(bytes).write(to: URL(filePath: path))
                    do {
                        // A name, a mode or a date may have become another.
                        #expect(try everything(in: path).values.sorted() == content.values.sorted(), "byte \(index)")
                    } catch is CloacinaError {
                        refused += 1
                    }
                }
                try Data(whole[..<index]).write(to: URL(filePath: path))
                #expect(throws: CloacinaError.self) { try everything(in: path) }
            }
            #expect(refused > whole.count)
        }
    }

    @Test func refusesWhatIsNoRegularFile() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "pipe").path
            #expect(mkfifo(path, 0o600) == 0)
            #expect(throws: CloacinaError.self) { try ZipFile(path, stop: StopRequest()) }
            #expect(throws: CloacinaError.self) { try ZipFile(folder.path, stop: StopRequest()) }
        }
    }

    // MARK: -

    private func everything(in path: String) throws -> [String: String] {
        let zip = try ZipFile(path, stop: StopRequest())
        var content: [String: String] = [:]
        for member in zip.members {
            var bytes: [UInt8] = []
            try zip.read(member) { bytes += $0 }
            content[member.path] = String(decoding: bytes, as: UTF8.self)
        }
        return content
    }

    private func expectRefusal(
        of entries: [Wheels.Entry], _ code: CloacinaCode, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await withTemporaryFolder { folder in
            try await Wheels.make([Wheels.Wheel("a.whl", entries)], in: folder)
            let error = #expect(throws: CloacinaError.self, sourceLocation: sourceLocation) {
                try ZipFile(folder.appending(path: "a.whl").path, stop: StopRequest())
            }
            #expect(error?.code == code, "\(error?.message ?? "")", sourceLocation: sourceLocation)
        }
    }

    private func withZip(_ entries: [Wheels.Entry], _ body: (ZipFile) throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await Wheels.make([Wheels.Wheel("a.whl", entries)], in: folder)
            try body(ZipFile(folder.appending(path: "a.whl").path, stop: StopRequest()))
        }
    }
}
