import CZlib
import Glibc
import LianSystem

/// A zip file, read without trust in it: stored and deflated members, as many and as large as an archive's may be. That
/// they are at most ten times as large as the file is no rule here: libraries with padding in them are larger.
final class ZipFile {
    struct Member: Equatable {
        let path: String
        let isFolder: Bool
        let isExecutable: Bool
        let size: Int
        fileprivate let record: ZipRecord
    }

    let path: String
    /// Folders too, in the file's order.
    private(set) var members: [Member] = []
    private let file: FileDescriptor
    private let size: Int
    private let stop: StopRequest

    init(_ path: String, stop: StopRequest) throws(CloacinaError) {
        self.path = path
        self.stop = stop
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(path, SystemError("open").reason, .vendor) }
        file = FileDescriptor(owning: descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .unreadable(path, "it is not a regular file", .vendor)
        }
        size = Int(status.st_size)
        try readDirectory()
    }

    /// Hands on what the member holds, piece by piece, and then holds it against its checksum.
    func read(
        _ member: Member, _ take: (ArraySlice<UInt8>) throws(CloacinaError) -> Void
    ) throws(CloacinaError) {
        let record = member.record
        let header = try bytes(record.offset, ZipRecord.localSize)
        guard header.starts(with: [0x50, 0x4B, 3, 4]), header.little(6, 2) & 1 == 0,
            header.little(26, 2) == record.name.count,
            try bytes(record.offset + ZipRecord.localSize, record.name.count) == record.name
        else { throw corrupt("the header of a member is damaged or of another") }
        let start = record.offset + ZipRecord.localSize + record.name.count + header.little(28, 2)
        guard start + record.packedSize <= size else { throw corrupt("a member leads out of the file") }
        var checksum = crc32(0, nil, 0)
        var written = 0
        func pass(_ piece: ArraySlice<UInt8>) throws(CloacinaError) {
            written += piece.count
            guard written <= record.size else { throw corrupt("a member is larger than is said of it") }
            checksum = piece.withUnsafeBufferPointer { crc32(checksum, $0.baseAddress, UInt32($0.count)) }
            try take(piece)
        }
        if record.method == 0 {
            try eachPiece(from: start, record.packedSize, pass)
        } else {
            try inflate(from: start, record.packedSize, pass)
        }
        guard written == record.size, checksum == UInt(record.checksum) else {
            throw corrupt("the checksum of '\(member.path)' does not hold")
        }
    }

    // MARK: The directory

    private func readDirectory() throws(CloacinaError) {
        let (start, length, count) = try findDirectory()
        guard count <= ArchiveLimits.entries else {
            throw failure(.archiveTooManyEntries, "holds more than \(ArchiveLimits.entries) entries")
        }
        guard length <= ZipRecord.longestDirectory else { throw corrupt("its directory is larger than any") }
        let directory = try bytes(start, length)
        var paths = MemberPaths()
        var total = 0
        var place = 0
        for _ in 0..<count {
            let record = try ZipRecord(directory, at: &place, self)
            total += record.size
            guard total <= ArchiveLimits.bytes else { throw failure(.archiveTooLarge, "holds more than 500 MiB") }
            let kind = try record.kind(self)
            guard let path = try paths.add(record.name, isFolder: kind == .folder, refusal) else { continue }
            members.append(
                Member(
                    path: path, isFolder: kind == .folder, isExecutable: record.mode & 0o100 != 0, size: record.size,
                    record: record))
        }
    }

    /// What stands at the end, before a comment of any length.
    private func findDirectory() throws(CloacinaError) -> (start: Int, length: Int, count: Int) {
        let tailStart = max(0, size - ZipRecord.endSize - 0xFFFF)
        let tail = try bytes(tailStart, size - tailStart)
        for place in stride(from: tail.count - ZipRecord.endSize, through: 0, by: -1)
        where tail[place...].starts(with: [0x50, 0x4B, 5, 6]) && place + 22 + tail.little(place + 20, 2) == tail.count {
            let length = tail.little(place + 12, 4)
            let start = tail.little(place + 16, 4)
            guard start != 0xFFFF_FFFF, tail.little(place + 10, 2) != 0xFFFF else {
                throw failure(.archiveTooLarge, "is of the form for more than 4 GiB or 65,535 entries")
            }
            guard start + length == tailStart + place else { throw corrupt("its directory is not where it is said") }
            return (start, length, tail.little(place + 10, 2))
        }
        throw failure(.archiveTruncated, "is no whole zip file: its directory is missing")
    }

    // MARK: Bytes

    private func bytes(_ start: Int, _ count: Int) throws(CloacinaError) -> [UInt8] {
        guard start >= 0, count >= 0, start + count <= size else { throw corrupt("a place in it is none") }
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let read = bytes.withUnsafeMutableBytes {
                pread(file.raw, $0.baseAddress?.advanced(by: filled), count - filled, off_t(start + filled))
            }
            guard read > 0 || (read < 0 && errno == EINTR) else { throw failure(.archiveTruncated, "became shorter") }
            filled += max(0, read)
        }
        return bytes
    }

    private func eachPiece(
        from start: Int, _ count: Int, _ take: (ArraySlice<UInt8>) throws(CloacinaError) -> Void
    ) throws(CloacinaError) {
        var done = 0
        while done < count {
            try stop.check()
            let piece = try bytes(start + done, min(1 << 16, count - done))
            try take(piece[...])
            done += piece.count
        }
    }

    private func inflate(
        from start: Int, _ count: Int, _ take: (ArraySlice<UInt8>) throws(CloacinaError) -> Void
    ) throws(CloacinaError) {
        var stream = z_stream()
        guard lian_inflate_raw(&stream) == Z_OK else { throw corrupt("zlib could not be started") }
        defer { inflateEnd(&stream) }
        var output = [UInt8](repeating: 0, count: 1 << 16)
        var hasEnded = false
        try eachPiece(from: start, count) { (piece) throws(CloacinaError) in
            var rest = piece
            repeat {
                guard !hasEnded else { throw corrupt("something follows the data of a member") }
                let (left, written, result) = rest.withUnsafeBufferPointer { input in
                    output.withUnsafeMutableBufferPointer { output in
                        stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                        stream.avail_in = UInt32(input.count)
                        stream.next_out = output.baseAddress
                        stream.avail_out = UInt32(output.count)
                        let result = CZlib.inflate(&stream, Z_NO_FLUSH)
                        return (Int(stream.avail_in), output.count - Int(stream.avail_out), result)
                    }
                }
                guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else {
                    throw corrupt("its compressed data is damaged")
                }
                rest = rest.suffix(left)
                hasEnded = result == Z_STREAM_END
                try take(output[..<written])
                // With the room filled there may be more without further input.
                if rest.isEmpty, written < output.count { break }
            } while !rest.isEmpty || !hasEnded
        }
        guard hasEnded else { throw corrupt("the data of a member is cut short") }
    }

    // MARK: Failures

    func corrupt(_ what: String) -> CloacinaError { failure(.archiveCorrupt, "is damaged: \(what)") }

    func failure(_ code: CloacinaCode, _ what: String) -> CloacinaError {
        CloacinaError(code, .vendor, "the wheel \(path) \(what)", hint: "Take another version of this package.")
    }

    private func refusal(_ code: CloacinaCode, _ what: String, _ member: [UInt8]) -> CloacinaError {
        failure(code, "has a member '\(String(decoding: member.prefix(200), as: UTF8.self))' that \(what)")
    }
}

/// A member as the directory has it.
private struct ZipRecord: Equatable {
    enum Kind { case file, folder }

    static let localSize = 30
    static let endSize = 22
    /// Paths together are at most 4 MiB; what else stands there is small.
    static let longestDirectory = 16 << 20
    private static let directorySize = 46

    let name: [UInt8]
    let method: Int
    let checksum: Int
    let packedSize: Int
    let size: Int
    let offset: Int
    /// As on Unix; 0 where the maker said nothing of it.
    let mode: Int

    init(_ directory: [UInt8], at place: inout Int, _ file: ZipFile) throws(CloacinaError) {
        let start = place
        guard start + Self.directorySize <= directory.count, directory[start...].starts(with: [0x50, 0x4B, 1, 2]) else {
            throw file.corrupt("its directory is damaged")
        }
        let nameLength = directory.little(start + 28, 2)
        place += Self.directorySize + nameLength + directory.little(start + 30, 2) + directory.little(start + 32, 2)
        guard place <= directory.count else { throw file.corrupt("its directory is damaged") }
        name = Array(directory[(start + Self.directorySize)...].prefix(nameLength))
        method = directory.little(start + 10, 2)
        checksum = directory.little(start + 16, 4)
        packedSize = directory.little(start + 20, 4)
        size = directory.little(start + 24, 4)
        offset = directory.little(start + 42, 4)
        mode = directory.little(start + 40, 2)
        guard directory.little(start + 8, 2) & 1 == 0 else { throw file.corrupt("a member is encrypted") }
        guard method == 0 || method == 8 else {
            throw file.corrupt("a member is compressed in a way that wheels are not")
        }
        guard method != 0 || packedSize == size else { throw file.corrupt("the sizes of a member differ") }
    }

    func kind(_ file: ZipFile) throws(CloacinaError) -> Kind {
        let text = String(decoding: name.prefix(200), as: UTF8.self)
        let isFolder = name.last == UInt8(ascii: "/")
        switch mode & 0o170000 {
        case 0: break
        case isFolder ? 0o040000 : 0o100000: break
        case 0o120000: throw file.failure(.archiveSymlink, "has a symbolic link as its member '\(text)'")
        default: throw file.failure(.archiveSpecial, "has a member '\(text)' that is no file")
        }
        guard !isFolder || size == 0 else { throw file.corrupt("a folder in it has content") }
        return isFolder ? .folder : .file
    }
}

extension [UInt8] {
    /// A number of that many bytes, the lowest first.
    fileprivate func little(_ place: Int, _ count: Int) -> Int {
        (0..<count).reduce(0) { $0 | Int(self[place + $1]) << (8 * $1) }
    }
}
