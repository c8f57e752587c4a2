import Foundation
import Glibc
import LianContext
import LianTestSupport
import Testing

/// What is worth compressing is told by a look at the bytes, not at the names.
@Suite struct ByteSampleTests {
    private static let text = Data(String(repeating: "let answer = compute(6, times: 7)\n", count: 40_000).utf8)
    private static let noise = {
        var generator = SeededGenerator(seed: 7)
        return Data((0..<text.count / 8).flatMap { _ in withUnsafeBytes(of: generator.next(), Array.init) })
    }()

    private func shrinks(_ files: [String: Data]) async throws -> Bool {
        try await withTemporaryFolder { folder in
            for (name, bytes) in files { try bytes.write(to: folder.appending(path: name)) }
            return try Context(root: folder.path, dockerfile: nil).summary().shrinks
        }
    }

    @Test func textShrinksAndNoiseDoesNot() async throws {
        #expect(try await shrinks(["photo.jpg": Self.text]))
        #expect(try await !shrinks(["readme.txt": Self.noise]))
    }

    @Test func manyFilesAreSeenAsOne() async throws {
        let piece = 3000
        func cut(_ data: Data) -> [String: Data] {
            let pieces = stride(from: 0, to: data.count - piece, by: piece).map { data[$0..<$0 + piece] }
            return Dictionary(uniqueKeysWithValues: pieces.enumerated().map { ("file \($0.offset)", Data($0.element)) })
        }
        #expect(try await shrinks(cut(Self.text)))
        #expect(try await !shrinks(cut(Self.noise)))
    }

    /// Each byte counts the same, wherever it is: neither one large file nor many small ones decide alone.
    @Test func theLargerPartDecides() async throws {
        #expect(try await shrinks(["text": Self.text + Self.text, "noise": Self.noise]))
        #expect(try await !shrinks(["text": Self.text.prefix(100_000), "noise": Self.noise + Self.noise]))
    }

    /// A file may say that it is as large as a file can be, and hold nothing.
    @Test func sparseFilesAreAddedUp() async throws {
        try await withTemporaryFolder(inMemory: true) { folder in
            for name in ["a", "b", "c"] {
                let path = folder.appending(path: name)
                try Self.text.write(to: path)
                #expect(truncate(path.path, .max) == 0)
            }
            let summary = try Context(root: folder.path, dockerfile: nil).summary()
            #expect(summary.bytes == .max && summary.files == 3 && summary.shrinks)
            #expect(summary.largest.map(\.bytes) == [.max, .max, .max])
        }
    }

    @Test func aFewBytesAreSentAsTheyAre() async throws {
        #expect(try await !shrinks(["text": Self.text.prefix(100_000)]))
        #expect(try await !shrinks([:]))
    }
}
