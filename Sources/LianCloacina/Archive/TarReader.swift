/// A member of a tar, as its headers have it.
struct TarMember {
    enum Kind { case file, folder }

    /// As it was written: nothing of it is checked.
    let path: [UInt8]
    let kind: Kind
    let size: Int
    let isExecutable: Bool
}

/// Reads headers of a tar: of POSIX, of GNU and of before, with pax headers for path and size.
struct TarReader {
    private let source: TarSource

    private static let longestExtension = 1 << 16
    private static let usedKeys = ["path", "size"]

    init(_ source: TarSource) {
        self.source = source
    }

    /// Nil at the end. What the last member holds has been read.
    func next() throws(CloacinaError) -> TarMember? {
        var longName: [UInt8]?
        var extended: [String: [UInt8]] = [:]
        while true {
            let block = try source.block()
            if block.allSatisfy({ $0 == 0 }) {
                guard try source.block().allSatisfy({ $0 == 0 }) else {
                    throw source.corrupt("a block of zeros stands alone in it")
                }
                guard longName == nil, extended.isEmpty else { throw source.corrupt("its last member is not there") }
                return nil
            }
            let header = Array(block)
            try checkSum(header)
            guard let size = Self.number(header[124..<136]) else { throw source.corrupt("a size in it is none") }
            let type = header[156]
            switch type {
            case UInt8(ascii: "L"):
                longName = Array(try extensionText(size).prefix { $0 != 0 })
            case UInt8(ascii: "K"):
                _ = try extensionText(size)
            case UInt8(ascii: "x"):
                extended.merge(try records(try extensionText(size))) { $1 }
            case UInt8(ascii: "g"):
                // For all members that follow: it tells of times and owners, and may not tell more.
                let all = try records(try extensionText(size))
                guard all["path"] == nil, all["size"] == nil else {
                    throw source.corrupt("it names one path or size for all members")
                }
            default:
                return try member(header, type, size, longName, extended)
            }
        }
    }

    private func member(
        _ header: [UInt8], _ type: UInt8, _ size: Int, _ longName: [UInt8]?, _ extended: [String: [UInt8]]
    ) throws(CloacinaError) -> TarMember {
        var path = longName ?? Self.name(header)
        if let given = extended["path"] { path = given }
        var size = size
        if let given = extended["size"] {
            guard let number = Int(String(decoding: given, as: UTF8.self)), number >= 0 else {
                throw source.corrupt("a size in it is none")
            }
            size = number
        }
        let isExecutable = (Self.number(header[100..<108]) ?? 0) & 0o100 != 0
        switch type {
        case UInt8(ascii: "0"), 0, UInt8(ascii: "7"):
            // Before POSIX, a folder was a file whose name ends so.
            if path.last == UInt8(ascii: "/") {
                guard size == 0 else { throw source.corrupt("a folder in it has content") }
                return TarMember(path: path, kind: .folder, size: 0, isExecutable: true)
            }
            return TarMember(path: path, kind: .file, size: size, isExecutable: isExecutable)
        case UInt8(ascii: "5"):
            guard size == 0 else { throw source.corrupt("a folder in it has content") }
            return TarMember(path: path, kind: .folder, size: 0, isExecutable: true)
        case UInt8(ascii: "1"): throw source.refusal(.archiveHardlink, "is a hard link", path)
        case UInt8(ascii: "2"): throw source.refusal(.archiveSymlink, "is a symbolic link", path)
        default: throw source.refusal(.archiveSpecial, "is neither a file nor a folder", path)
        }
    }

    private func extensionText(_ size: Int) throws(CloacinaError) -> [UInt8] {
        guard size <= Self.longestExtension else { throw source.corrupt("a name in it has \(size) bytes") }
        let text = try source.bytes(size)
        try source.skipPadding(after: size)
        return text
    }

    /// `LENGTH KEY=VALUE\n`, again and again. Only what is used here is kept: there may be any number of others.
    private func records(_ text: [UInt8]) throws(CloacinaError) -> [String: [UInt8]] {
        var records: [String: [UInt8]] = [:]
        var rest = text[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0 != 0x20 }
            guard let length = Int(String(decoding: digits, as: UTF8.self)), length > digits.count + 2,
                length <= rest.count, rest[rest.startIndex + length - 1] == 0x0A,
                let equals = rest.prefix(length).firstIndex(of: UInt8(ascii: "="))
            else { throw source.corrupt("a pax header of it is damaged") }
            let key = String(decoding: rest[(digits.endIndex + 1)..<equals], as: UTF8.self)
            if Self.usedKeys.contains(key) {
                records[key] = Array(rest[(equals + 1)..<(rest.startIndex + length - 1)])
            }
            rest = rest.dropFirst(length)
        }
        return records
    }

    private func checkSum(_ header: [UInt8]) throws(CloacinaError) {
        let blank = Array(header[..<148]) + [UInt8](repeating: 0x20, count: 8) + header[156...]
        let wanted = Self.number(header[148..<156])
        // Some have summed up signed bytes.
        guard
            wanted == blank.reduce(0, { $0 + Int($1) })
                || wanted == blank.reduce(0, { $0 + Int(Int8(bitPattern: $1)) })
        else { throw source.corrupt("the checksum of a header in it does not hold") }
    }

    private static func name(_ header: [UInt8]) -> [UInt8] {
        let name = Array(header[..<100].prefix { $0 != 0 })
        // Only POSIX's own form has the prefix; GNU's keeps other things there.
        guard header[257..<263].elementsEqual(Array("ustar".utf8) + [0]) else { return name }
        let prefix = header[345..<500].prefix { $0 != 0 }
        return prefix.isEmpty ? name : Array(prefix) + [UInt8(ascii: "/")] + name
    }

    /// Octal digits between spaces and NULs; or, for large ones, binary with the top bit set. Nil where it is neither.
    private static func number(_ field: ArraySlice<UInt8>) -> Int? {
        if let first = field.first, first & 0x80 != 0 {
            let bytes = [first & 0x7F] + field.dropFirst()
            guard bytes.dropLast(7).allSatisfy({ $0 == 0 }) else { return nil }
            return bytes.suffix(7).reduce(0) { $0 << 8 | Int($1) }
        }
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
        guard digits.allSatisfy({ (0x30...0x37).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 << 3 | Int($1 - 0x30) }
    }
}

/// The bytes of a tar one after another, and how to speak of it.
final class TarSource {
    let path: String
    private let decompressor: Decompressor
    private let limit: Int
    private let stop: StopRequest
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)
    private var filled = 0..<0
    private var count = 0

    /// `limit`: so many bytes of it are read, and no more.
    init(_ decompressor: Decompressor, path: String, limit: Int, stop: StopRequest) {
        self.decompressor = decompressor
        self.path = path
        self.limit = limit
        self.stop = stop
    }

    func block() throws(CloacinaError) -> ArraySlice<UInt8> {
        try fill(TarHeader.blockSize)
        defer { filled = filled.dropFirst(TarHeader.blockSize) }
        return buffer[filled.prefix(TarHeader.blockSize)]
    }

    func bytes(_ count: Int) throws(CloacinaError) -> [UInt8] {
        var bytes: [UInt8] = []
        try pass(count) { bytes += $0 }
        return bytes
    }

    /// Hands on so many bytes, piece by piece.
    func pass(_ count: Int, _ take: (ArraySlice<UInt8>) throws(CloacinaError) -> Void) throws(CloacinaError) {
        var left = count
        while left > 0 {
            try fill(1)
            let piece = filled.prefix(left)
            try take(buffer[piece])
            filled = filled.dropFirst(piece.count)
            left -= piece.count
        }
    }

    func skipPadding(after size: Int) throws(CloacinaError) {
        _ = try bytes(TarHeader.padding(after: size).count)
    }

    /// Whether anything but zeros follows.
    func restHoldsBytes() throws(CloacinaError) -> Bool {
        var holdsBytes = false
        repeat {
            holdsBytes = holdsBytes || buffer[filled].contains { $0 != 0 }
            filled = 0..<0
        } while try refill() > 0
        return holdsBytes
    }

    private func fill(_ wanted: Int) throws(CloacinaError) {
        while filled.count < wanted {
            guard try refill() > 0 else {
                throw CloacinaError(
                    .archiveTruncated, .archive, "\(path) ends before its last member", hint: "Copy it again, whole.")
            }
        }
    }

    private func refill() throws(CloacinaError) -> Int {
        try stop.check()
        if filled.lowerBound > 0 {
            let rest = buffer[filled]
            buffer.replaceSubrange(0..<rest.count, with: rest)
            filled = 0..<rest.count
        }
        let start = filled.upperBound
        let read = try buffer.withUnsafeMutableBytes { bytes in
            Result { () throws(CloacinaError) in
                try decompressor.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[start...]))
            }
        }.get()
        count += read
        guard count <= limit else {
            throw CloacinaError(
                .archiveTooLarge, .archive, "\(path) holds more than \(limit) bytes when it is decompressed",
                hint: "Hosts refuse such an archive too: leave out what it does not need.")
        }
        filled = 0..<start + read
        return read
    }

    func corrupt(_ what: String) -> CloacinaError {
        CloacinaError(.archiveCorrupt, .archive, "\(path) is damaged: \(what)", hint: "Copy it again, or pack it anew.")
    }

    func refusal(_ code: CloacinaCode, _ what: String, _ member: [UInt8]) -> CloacinaError {
        CloacinaError(
            code, .archive, "\(path): its member '\(String(decoding: member.prefix(200), as: UTF8.self))' \(what)",
            hint: "Pack it anew by 'package pack', which makes what hosts take.")
    }
}
