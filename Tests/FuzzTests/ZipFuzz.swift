import Foundation
import LianTestSupport
import Testing

@testable import LianCloacina

/// Zip files that were bent, in a process that a trap may end.
@Suite struct ZipFuzzTests {
    @Test func wheels() async {
        await #expect(processExitsWith: .success) { try feed(ZipFuzz.wheel) }
    }
}

private enum ZipFuzz {
    static func wheel(_ random: inout SeededGenerator) throws {
        var bytes = whole
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[place] = random.pick([0, 1, 0x7F, 0x80, 0xFF])
            case 1: bytes.replaceSubrange(place..<min(place + 4, bytes.count), with: [0xFF, 0xFF, 0xFF, 0xFF])
            case 2: bytes.removeSubrange(place..<min(place + 7, bytes.count))
            case 3: bytes.insert(contentsOf: bytes.prefix(40), at: place)
            default: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
        }
        // In memory: the reader wants a file.
        let path = "/dev/shm/lian-zip-fuzz-\(getpid())"
        defer { unlink(path) }
        try Data(bytes).write(to: URL(filePath: path))
        do {
            let zip = try ZipFile(path, stop: StopRequest())
            var total = 0
            for member in zip.members {
                guard !member.path.isEmpty, !member.path.hasPrefix("/"),
                    !member.path.split(separator: "/").contains("..")
                else { throw FuzzFailure(description: "\(bytes) has the member \(member.path)") }
                try zip.read(member) { total += $0.count }
            }
            // No deflated byte becomes more than that many.
            guard total <= 1032 * bytes.count else {
                throw FuzzFailure(description: "\(bytes) gave \(total) bytes")
            }
        } catch let error as CloacinaError {
            guard error.exitStatus == 1, !error.message.isEmpty else {
                throw FuzzFailure(description: "\(bytes) gave \(error)")
            }
        }
    }

    /// By Python's zipfile: a stored member, one that is deflated, and a folder.
    private static let whole = Array(
        Data(
            base64Encoded: """
                UEsDBBQAAAAAAAAAIQA7ifaLBgAAAAYAAAAEAAAAYS5weXggPSAxClBLAwQUAAAAAAAAACEAAAAAAAAAAAAAAAAAAgAAAGIvUEsD
                BBQAAAAIAAAAIQDK06mOJwAAAK8BAAAJAAAAYi9sb25nLnB5S8zJUSjPL8pWSMxLUcjLVyjISazkShwVHEyCuYnZqcUKWYnJ2VwA
                UEsBAhQDFAAAAAAAAAAhADuJ9osGAAAABgAAAAQAAAAAAAAAAAAAAKSBAAAAAGEucHlQSwECFAMUAAAAAAAAACEAAAAAAAAAAAAA
                AAAAAgAAAAAAAAAAAAAA7UEoAAAAYi9QSwECFAMUAAAACAAAACEAytOpjicAAACvAQAACQAAAAAAAAAAAAAApIFIAAAAYi9sb25n
                LnB5UEsFBgAAAAADAAMAmQAAAJYAAAAAAA==
                """, options: .ignoreUnknownCharacters) ?? Data())
}
