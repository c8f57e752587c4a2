/// A shared library of Linux: ELF, 64 bits, little endian, x86_64 or aarch64.
struct ELFLibrary {
    let machine: Machine
    let file: LibraryBytes
    private let segments: [Segment]
    private let dynamic: [Tag: UInt64]
    private let neededOffsets: [UInt64]

    /// A part of the file that is loaded at an address.
    private struct Segment {
        let address: UInt64
        let offset: UInt64
        let size: UInt64
    }

    enum Machine: UInt16 {
        case x86_64 = 62
        case aarch64 = 183

        var name: String { self == .x86_64 ? "x86_64" : "aarch64" }
        /// The kinds of relocation that put an address in place: the library's own base plus a number, and a symbol's.
        var relative: UInt32 { self == .x86_64 ? 8 : 1027 }
        var symbolic: Set<UInt32> { self == .x86_64 ? [1, 6] : [257, 1025] }
    }

    private enum Tag: UInt64 {
        case needed = 1
        case hash = 4
        case stringTable = 5
        case symbolTable = 6
        case relocations = 7
        case relocationsSize = 8
        case stringTableSize = 10
        case compactRelocationsSize = 35
        case compactRelocations = 36
        case gnuHash = 0x6fff_fef5
        case versionsNeeded = 0x6fff_fffe
        case versionsNeededCount = 0x6fff_ffff
    }

    // More of these than any library has. What a hostile file can have us do stays small by them.
    private static let mostSegments = 64
    private static let mostDynamicEntries = 4096
    private static let mostSymbols: UInt64 = 4_000_000
    private static let mostPointers = 16_000_000
    private static let longestName = 1024

    static func isOne(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) }

    init(_ file: LibraryBytes) throws(LibraryFault) {
        self.file = file
        guard try file.number(at: 4, as: UInt8.self) == 2, try file.number(at: 5, as: UInt8.self) == 1 else {
            throw LibraryFault("it is for a machine that has not 64 bits, little endian")
        }
        guard try file.number(at: 16, as: UInt16.self) == 3 else { throw LibraryFault("it is no shared library") }
        let number = try file.number(at: 18, as: UInt16.self)
        guard let machine = Machine(rawValue: number) else {
            throw LibraryFault("it is for another machine (\(number)) than x86_64 and aarch64")
        }
        self.machine = machine
        let table = try file.number(at: 32, as: UInt64.self)
        let entrySize = UInt64(try file.number(at: 54, as: UInt16.self))
        let count = UInt64(try file.number(at: 56, as: UInt16.self))
        guard entrySize >= 56 else { throw LibraryFault("its program headers are too small") }
        var segments: [Segment] = []
        var dynamicRange: Segment?
        for index in 0..<count {
            let header = try checkedSum(table, index * entrySize)
            let kind = try file.number(at: header, as: UInt32.self)
            guard kind == 1 || kind == 2 else { continue }
            let segment = Segment(
                address: try file.number(at: checkedSum(header, 16), as: UInt64.self),
                offset: try file.number(at: checkedSum(header, 8), as: UInt64.self),
                size: try file.number(at: checkedSum(header, 32), as: UInt64.self))
            guard try checkedSum(segment.offset, segment.size) <= UInt64(file.count) else {
                throw LibraryFault("a segment ends behind the file's end")
            }
            _ = try checkedSum(segment.address, segment.size)
            if kind == 1 { segments.append(segment) } else { dynamicRange = segment }
        }
        guard segments.count <= Self.mostSegments else { throw LibraryFault("it has too many segments") }
        guard let dynamicRange else { throw LibraryFault("it says nothing of how it is linked") }
        self.segments = segments
        (dynamic, neededOffsets) = try Self.readDynamic(file, dynamicRange)
    }

    private static func readDynamic(
        _ file: LibraryBytes, _ range: Segment
    ) throws(LibraryFault) -> ([Tag: UInt64], [UInt64]) {
        var dynamic: [Tag: UInt64] = [:]
        var needed: [UInt64] = []
        let count = range.size / 16
        for index in 0..<count {
            let tag = try file.number(at: range.offset + 16 * index, as: UInt64.self)
            guard tag != 0 else { break }
            guard index < mostDynamicEntries else { throw LibraryFault("it says too much of how it is linked") }
            let value = try file.number(at: range.offset + 16 * index + 8, as: UInt64.self)
            switch Tag(rawValue: tag) {
            case .needed: needed.append(value)
            case let tag?: dynamic[tag] = value
            case nil: break
            }
        }
        return (dynamic, needed)
    }

    /// Where in the file that lies which is loaded at an address; nil where it is not in the file.
    func offset(of address: UInt64, count: UInt64) -> UInt64? {
        for segment in segments where address >= segment.address {
            let distance = address - segment.address
            if distance <= segment.size, count <= segment.size - distance { return segment.offset + distance }
        }
        return nil
    }

    private func knownOffset(of address: UInt64, count: UInt64) throws(LibraryFault) -> UInt64 {
        guard let offset = offset(of: address, count: count) else {
            throw LibraryFault("it tells of the address \(address), where it has nothing")
        }
        return offset
    }

    private func number<Number: FixedWidthInteger>(
        at address: UInt64, as type: Number.Type
    ) throws(LibraryFault) -> Number {
        try file.number(at: knownOffset(of: address, count: UInt64(MemoryLayout<Number>.size)), as: type)
    }

    private func nameOffset(_ index: UInt64) throws(LibraryFault) -> UInt64 {
        guard let table = dynamic[.stringTable], let size = dynamic[.stringTableSize], index < size else {
            throw LibraryFault("a name lies outside of its names")
        }
        return try knownOffset(of: table, count: size) + index
    }

    private func name(_ index: UInt64) throws(LibraryFault) -> String {
        String(decoding: try file.text(at: nameOffset(index), limit: Self.longestName), as: UTF8.self)
    }

    /// The libraries that it is linked with.
    func needed() throws(LibraryFault) -> [String] {
        var names: [String] = []
        for offset in neededOffsets { names.append(try name(offset)) }
        return names
    }

    // MARK: symbols

    /// Which of these functions it hands out.
    func exported(of wanted: [StaticString]) throws(LibraryFault) -> [String] {
        guard let table = dynamic[.symbolTable] else { return [] }
        var found: Set<String> = []
        for index in 0..<(try symbolCount()) {
            let symbol = try knownOffset(of: checkedSum(table, index * 24), count: 24)
            let info = try file.number(at: symbol + 4, as: UInt8.self)
            let visibility = try file.number(at: symbol + 5, as: UInt8.self) & 3
            let section = try file.number(at: symbol + 6, as: UInt16.self)
            // Global or weak, default or protected, and in this library.
            guard info >> 4 == 1 || info >> 4 == 2, visibility == 0 || visibility == 3, section != 0 else { continue }
            let name = try nameOffset(UInt64(try file.number(at: symbol, as: UInt32.self)))
            for text in wanted where try file.holds(text, at: name) { found.insert(text.description) }
        }
        return found.sorted()
    }

    /// The table of symbols does not say how many it has; the tables by which they are found do.
    private func symbolCount() throws(LibraryFault) -> UInt64 {
        let count: UInt64
        if let table = dynamic[.gnuHash] {
            count = try symbolCount(gnuHash: table)
        } else if let table = dynamic[.hash] {
            count = UInt64(try number(at: checkedSum(table, 4), as: UInt32.self))
        } else {
            count = 0
        }
        guard count <= Self.mostSymbols else { throw LibraryFault("it has too many symbols") }
        return count
    }

    private func symbolCount(gnuHash table: UInt64) throws(LibraryFault) -> UInt64 {
        let bucketCount = UInt64(try number(at: table, as: UInt32.self))
        let firstSymbol = UInt64(try number(at: checkedSum(table, 4), as: UInt32.self))
        let filterCount = UInt64(try number(at: checkedSum(table, 8), as: UInt32.self))
        let buckets = try checkedSum(table, 16 + 8 * filterCount)
        guard bucketCount <= Self.mostSymbols else { throw LibraryFault("it has too many symbols") }
        var last: UInt64 = 0
        for index in 0..<bucketCount {
            last = max(last, UInt64(try number(at: checkedSum(buckets, 4 * index), as: UInt32.self)))
        }
        guard last >= firstSymbol else { return firstSymbol }
        let chains = try checkedSum(buckets, 4 * bucketCount)
        // A chain's last entry is odd.
        while try number(at: checkedSum(chains, 4 * (last - firstSymbol)), as: UInt32.self) & 1 == 0 { last += 1 }
        return last + 1
    }

    // MARK: versions

    /// The newest version of the C library that it asks for.
    func newestGLIBC() throws(LibraryFault) -> String? {
        guard let table = dynamic[.versionsNeeded] else { return nil }
        var newest: [Int] = []
        var entriesLeft = Self.mostDynamicEntries
        func countOne() throws(LibraryFault) {
            entriesLeft -= 1
            guard entriesLeft >= 0 else { throw LibraryFault("it asks for too many versions") }
        }
        var need = table
        for _ in 0..<(dynamic[.versionsNeededCount] ?? 0) {
            try countOne()
            var version = try checkedSum(need, UInt64(try number(at: checkedSum(need, 8), as: UInt32.self)))
            for _ in 0..<(try number(at: checkedSum(need, 2), as: UInt16.self)) {
                try countOne()
                let name = try name(UInt64(try number(at: checkedSum(version, 8), as: UInt32.self)))
                if let numbers = glibcVersion(name), newest.lexicographicallyPrecedes(numbers) { newest = numbers }
                version = try checkedSum(version, UInt64(try number(at: checkedSum(version, 12), as: UInt32.self)))
            }
            need = try checkedSum(need, UInt64(try number(at: checkedSum(need, 12), as: UInt32.self)))
        }
        return newest.isEmpty ? nil : newest.map(String.init).joined(separator: ".")
    }

    private func glibcVersion(_ name: String) -> [Int]? {
        // Compact relocations came with this one, under a name without a number.
        if name == "GLIBC_ABI_DT_RELR" { return [2, 36] }
        guard name.hasPrefix("GLIBC_") else { return nil }
        let parts = name.dropFirst("GLIBC_".count).split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Int($0) }
        return numbers.count == parts.count ? numbers : nil
    }

    // MARK: pointers

    /// Each place in the library into which the loader writes an address, with that address; nil where it is another
    /// library's.
    func eachPointer(
        _ body: (_ place: UInt64, _ target: UInt64?) throws(LibraryFault) -> Void
    ) throws(LibraryFault) {
        var left = Self.mostPointers
        func countOne() throws(LibraryFault) {
            left -= 1
            guard left >= 0 else { throw LibraryFault("it has too many relocations") }
        }
        if let table = dynamic[.relocations], let size = dynamic[.relocationsSize] {
            for index in 0..<(size / 24) {
                try countOne()
                let entry = try knownOffset(of: checkedSum(table, 24 * index), count: 24)
                let place = try file.number(at: entry, as: UInt64.self)
                let info = try file.number(at: entry + 8, as: UInt64.self)
                let addend = try file.number(at: entry + 16, as: UInt64.self)
                let kind = UInt32(truncatingIfNeeded: info)
                if kind == machine.relative {
                    try body(place, addend)
                } else if machine.symbolic.contains(kind) {
                    try body(place, try address(ofSymbol: info >> 32).map { $0 &+ addend })
                }
            }
        }
        guard let table = dynamic[.compactRelocations], let size = dynamic[.compactRelocationsSize] else { return }
        // An even entry is a place; an odd one has a bit for each of the 63 words behind.
        var next: UInt64 = 0
        for index in 0..<(size / 8) {
            try countOne()
            let entry = try number(at: checkedSum(table, 8 * index), as: UInt64.self)
            if entry & 1 == 0 {
                try body(entry, try number(at: entry, as: UInt64.self))
                next = try checkedSum(entry, 8)
            } else {
                for bit in UInt64(0)..<63 where entry >> (bit + 1) & 1 == 1 {
                    try countOne()
                    let place = try checkedSum(next, 8 * bit)
                    try body(place, try number(at: place, as: UInt64.self))
                }
                next = try checkedSum(next, 8 * 63)
            }
        }
    }

    private func address(ofSymbol index: UInt64) throws(LibraryFault) -> UInt64? {
        guard let table = dynamic[.symbolTable] else { return nil }
        let symbol = try knownOffset(of: checkedSum(table, index * 24), count: 24)
        guard try file.number(at: symbol + 6, as: UInt16.self) != 0 else { return nil }
        return try file.number(at: symbol + 8, as: UInt64.self)
    }
}
