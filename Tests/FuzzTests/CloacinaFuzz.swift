import Glibc
import LianCloacina
import LianModel
import LianSystem
import LianTestSupport

/// Archives and manifests as strangers write them.
enum CloacinaFuzz {
    static func archive(_ random: inout SeededGenerator) throws {
        var tar = Self.tar(&random)
        if random.oneIn(2) { tar = bentHeader(tar, &random) }
        if random.oneIn(2) { tar = mutated(tar, &random) }
        var bytes: [UInt8] = []
        var writer = Bzip2Writer { bytes += $0 }
        try writer.write(tar)
        try writer.finish()
        if random.oneIn(3) { bytes = mutated(bytes, &random) }
        try withFile("archive", bytes) { path in
            let list = EntryList()
            guard let summary = try? readArchive(path, stop: StopRequest(), visitor: list) else { return }
            let size = list.entries.reduce(0) { $0 + $1.bytes }
            guard size <= summary.bytes * ArchiveLimits.ratio, list.entries.count <= ArchiveLimits.entries,
                list.entries.allSatisfy({ isHarmless($0.path) })
            else { throw FuzzFailure(description: "\(list.entries)") }
        }
    }

    static func manifest(_ random: inout SeededGenerator) throws {
        try withFile(PackageManifest.fileName, bent(Array(manifestText.utf8), &random)) { path in
            let folder = String(path.dropLast(PackageManifest.fileName.count + 1))
            guard let manifest = try? PackageManifest(in: folder) else { return }
            // What travels says the same as what was read; only its tables are in another order.
            guard try parseTOML(manifest.bytes).json.encodedBytes() == manifest.document.json.encodedBytes() else {
                throw FuzzFailure(description: String(decoding: manifest.bytes, as: UTF8.self))
            }
        }
    }

    private static func isHarmless(_ path: String) -> Bool {
        !path.isEmpty && !path.hasPrefix("/") && !path.split(separator: "/").contains("..") && !path.utf8.contains(0)
    }

    private static func withFile(_ name: String, _ bytes: [UInt8], _ body: (String) throws -> Void) throws {
        let folder = "/dev/shm/lian-fuzz-\(getpid())"
        try makeFolder(folder)
        let path = "\(folder)/\(name)"
        let file = try FileDraft(of: path, mode: 0o600)
        try file.write(bytes)
        try file.commit(isSynced: false)
        defer {
            unlink(path)
            rmdir(folder)
        }
        try body(path)
    }

    private static func tar(_ random: inout SeededGenerator) -> [UInt8] {
        let names = [
            "package.toml", "a/b.py", "a", "x/\(String(repeating: "n", count: 120))", "ü", "../x", "./y", "run.sh",
        ]
        var tar: [UInt8] = []
        for _ in 0..<Int.random(in: 0...5, using: &random) {
            let content = [UInt8](repeating: random.pick([0, 65]), count: random.pick([0, 1, 511, 512, 513, 3000]))
            let isFolder = random.oneIn(6)
            let top = random.oneIn(9) ? "other" : "ok-1"
            let path = "\(top)/\(random.pick(names))\(isFolder ? "/" : "")"
            tar += TarHeader.member(
                path, isFolder ? .folder : .file, size: isFolder ? 0 : content.count, isExecutable: random.oneIn(3),
                modified: 0)
            if !isFolder { tar += content + TarHeader.padding(after: content.count) }
        }
        return tar + (random.oneIn(8) ? [] : TarHeader.end)
    }

    /// One field of one header another, with a checksum that holds.
    private static func bentHeader(_ tar: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        guard tar.count >= TarHeader.blockSize else { return tar }
        var tar = tar
        let start = Int.random(in: 0..<tar.count / TarHeader.blockSize, using: &random) * TarHeader.blockSize
        let (offset, length) = random.pick([(0, 100), (100, 8), (124, 12), (156, 1), (257, 6), (345, 155)])
        for index in 0..<Int.random(in: 1...length, using: &random) {
            tar[start + offset + index] = random.pick([
                0, 0x20, 0x2D, 0x2E, 0x2F, 0x30, 0x37, 0x39, 0x4C, 0x78, 0x80, 0xFF,
            ])
        }
        for index in 148..<156 { tar[start + index] = 0x20 }
        let sum = tar[start..<start + TarHeader.blockSize].reduce(0) { $0 + Int($1) }
        let digits = Array(String(sum, radix: 8).utf8)
        tar.replaceSubrange(start + 148..<start + 148 + digits.count, with: digits)
        return tar
    }

    private static let manifestText = """
        title = "x"
        [package]
        name = "etl"
        version = "1.0.0"
        interface_version = 1
        runtime = "python"
        [python]
        limits = { a = 1.5, b = [1, 2], c = 2026-01-01T00:00:00Z }
        [metadata]
        workflow_name = "etl"
        language = "python"
        [[other]]
        "a b" = "c\\n\\u00e9"
        [[other]]
        x = inf

        """
}
