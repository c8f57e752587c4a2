/// A shared library of macOS: Mach-O of 64 bits. What it hands out and needs is read, and no more.
struct MachOLibrary {
    let machine: String
    private let file: LibraryBytes
    private let commands: [(kind: UInt32, offset: UInt64, size: UInt64)]

    private enum Kind {
        static let symbolTable: UInt32 = 0x2
        /// Plain, weak, re-exported, upward.
        static let libraries: Set<UInt32> = [0xC, 0x8000_0018, 0x8000_001F, 0x8000_0023]
    }

    private static let mostCommands: UInt32 = 4096
    private static let mostSymbols: UInt32 = 4_000_000
    private static let longestName = 1024

    static func isOne(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0xCF, 0xFA, 0xED, 0xFE]) }

    /// Several libraries in one file, one for each machine.
    static func isUniversal(_ bytes: [UInt8]) -> Bool {
        bytes.starts(with: [0xCA, 0xFE, 0xBA, 0xBE]) || bytes.starts(with: [0xCA, 0xFE, 0xBA, 0xBF])
    }

    init(_ file: LibraryBytes) throws(LibraryFault) {
        self.file = file
        switch try file.number(at: 4, as: UInt32.self) {
        case 0x0100_0007: machine = "x86_64"
        case 0x0100_000C: machine = "aarch64"
        case let other: throw LibraryFault("it is for another machine (\(other)) than x86_64 and aarch64")
        }
        // A library, or a bundle that is loaded in the same way.
        guard [6, 8].contains(try file.number(at: 12, as: UInt32.self)) else {
            throw LibraryFault("it is no shared library")
        }
        let count = try file.number(at: 16, as: UInt32.self)
        guard count <= Self.mostCommands else { throw LibraryFault("it has too many load commands") }
        let end = 32 + UInt64(try file.number(at: 20, as: UInt32.self))
        var commands: [(kind: UInt32, offset: UInt64, size: UInt64)] = []
        var offset: UInt64 = 32
        for _ in 0..<count {
            let kind = try file.number(at: offset, as: UInt32.self)
            let size = UInt64(try file.number(at: offset + 4, as: UInt32.self))
            guard size >= 8, size <= end - offset else { throw LibraryFault("a load command has no right size") }
            commands.append((kind, offset, size))
            offset += size
        }
        self.commands = commands
    }

    func needed() throws(LibraryFault) -> [String] {
        var names: [String] = []
        for command in commands where Kind.libraries.contains(command.kind) {
            let place = UInt64(try file.number(at: command.offset + 8, as: UInt32.self))
            guard place < command.size else { throw LibraryFault("a name lies outside of its load command") }
            let limit = min(Self.longestName, Int(command.size - place))
            names.append(String(decoding: try file.text(at: command.offset + place, limit: limit), as: UTF8.self))
        }
        return names
    }

    /// Which of these functions it hands out. A name of C has an underscore in front.
    func exported(of wanted: [StaticString]) throws(LibraryFault) -> [String] {
        var found: Set<String> = []
        for command in commands where command.kind == Kind.symbolTable {
            let table = UInt64(try file.number(at: command.offset + 8, as: UInt32.self))
            let count = try file.number(at: command.offset + 12, as: UInt32.self)
            let names = UInt64(try file.number(at: command.offset + 16, as: UInt32.self))
            let namesSize = UInt64(try file.number(at: command.offset + 20, as: UInt32.self))
            guard count <= Self.mostSymbols else { throw LibraryFault("it has too many symbols") }
            guard names + namesSize <= UInt64(file.count) else {
                throw LibraryFault("its names end behind the file's end")
            }
            for index in 0..<UInt64(count) {
                let symbol = table + 16 * index
                let name = UInt64(try file.number(at: symbol, as: UInt32.self))
                let kind = try file.number(at: symbol + 4, as: UInt8.self)
                // For others to see, not for debuggers, and in a section of this library.
                guard kind & 0xE0 == 0, kind & 0x10 == 0, kind & 1 == 1, kind & 0x0E == 0x0E, name < namesSize else {
                    continue
                }
                guard try file.number(at: names + name, as: UInt8.self) == UInt8(ascii: "_") else {
                    continue
                }
                for text in wanted where try file.holds(text, at: names + name + 1) { found.insert(text.description) }
            }
        }
        return found.sorted()
    }
}
