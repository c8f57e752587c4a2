/// Shared libraries made by hand, byte by byte: for machines whose compiler is not here, and to be bent.
package struct MadeLibrary {
    package private(set) var bytes: [UInt8] = []

    /// How the addresses are put in place.
    package enum Relocations: CaseIterable, Sendable {
        case plain, compact
    }

    /// An ELF file that is loaded at 0 as it is: an address is a place in the file. It hands out `fidius_get_registry`
    /// and holds one descriptor with eleven methods, of which the last two are missing.
    package static func elf(machine: UInt16, relocations: Relocations) -> MadeLibrary {
        var library = MadeLibrary()
        library.bytes = [UInt8](repeating: 0, count: 64 + 2 * 56)
        let strings = library.append("\0fidius_get_registry\0puts\0libc.so.6\0GLIBC_2.34\0GLIBC_2.4\0GLIBC_PRIVATE\0")
        let stringsSize = library.bytes.count - strings
        let symbols = library.appendFields(UInt64(0), UInt64(0), UInt64(0))
        // puts, of another library; then the function, global, in a section of this one.
        library.appendFields(UInt32(21), UInt8(0x12), UInt8(0), UInt16(0), UInt64(0), UInt64(0))
        library.appendFields(UInt32(1), UInt8(0x12), UInt8(0), UInt16(7), UInt64(64), UInt64(16))
        // One bucket, whose chain is the third symbol alone.
        let hash = library.appendFields(UInt32(1), UInt32(2), UInt32(1), UInt32(0), UInt64.max, UInt32(2), UInt32(1))
        library.align()
        // One library, three versions of it.
        let versions = library.appendFields(UInt16(1), UInt16(3), UInt32(26), UInt32(16), UInt32(0))
        for (name, next) in [(36, 16), (47, 16), (57, 0)] as [(UInt32, UInt32)] {
            library.appendFields(UInt32(0), UInt16(0), UInt16(0), name, next)
        }
        let interface = library.append("CloacinaPlugin\0")
        let plugin = library.append("Made\0")
        library.align()
        let descriptor = library.appendFields(
            UInt32(120), UInt32(500), UInt64(0), UInt64(0x5294_867f_0800_277b), UInt64(7), UInt64(0x1f), UInt64(1))
        library.bytes += [UInt8](repeating: 0, count: 120 - 48)
        library.set(descriptor + 72, UInt32(11))
        let methods = library.bytes.count
        library.bytes += [UInt8](repeating: 0, count: 88)

        let pointers =
            [(descriptor + 8, interface), (descriptor + 48, plugin), (descriptor + 56, methods)]
            + (1..<9).map { (methods + 8 * $0, 64) }
        var dynamic: [(tag: UInt64, value: Int)] = [
            (1, 26), (5, strings), (10, stringsSize), (6, symbols), (0x6fff_fef5, hash), (0x6fff_fffe, versions),
            (0x6fff_ffff, 1),
        ]
        let isArm = machine == 183
        let symbolic: UInt64 = isArm ? 257 : 1
        // The first method is the function itself, by its name.
        let table = library.appendFields(UInt64(methods), UInt64(2) << 32 | symbolic, UInt64(0))
        switch relocations {
        case .plain:
            for (place, target) in pointers {
                library.appendFields(UInt64(place), UInt64(isArm ? 1027 : 8), UInt64(target))
            }
        case .compact:
            for (place, target) in pointers { library.set(place, UInt64(target)) }
        }
        dynamic += [(7, table), (8, library.bytes.count - table)]
        if relocations == .compact {
            let compact = library.bytes.count
            // The descriptor's own by a place each; of the methods, a place and a word of bits for those behind it.
            for (place, _) in pointers.prefix(4) { library.appendFields(UInt64(place)) }
            library.appendFields(UInt64(0b1111_1111))
            dynamic += [(36, compact), (35, library.bytes.count - compact)]
        }
        let dynamicTable = library.bytes.count
        for entry in dynamic { library.appendFields(entry.tag, UInt64(entry.value)) }
        library.appendFields(UInt64(0), UInt64(0))

        library.set(0, UInt32(0x464C_457F))
        library.set(4, UInt32(0x0001_0102))
        library.set(16, UInt16(3))
        library.set(18, machine)
        library.set(32, UInt64(64))
        library.set(54, UInt16(56))
        library.set(56, UInt16(2))
        let size = library.bytes.count
        for (header, kind, start) in [(64, 1, 0), (120, 2, dynamicTable)] as [(Int, UInt32, Int)] {
            library.set(header, kind)
            library.set(header + 8, UInt64(start))
            library.set(header + 16, UInt64(start))
            library.set(header + 32, UInt64(size - start))
            library.set(header + 40, UInt64(size - start))
        }
        return library
    }

    /// A Mach-O file that hands out `fidius_get_registry` and needs the system's library.
    package static func machO(machine: UInt32) -> MadeLibrary {
        var library = MadeLibrary()
        library.bytes = [UInt8](repeating: 0, count: 32)
        let needed = Array("/usr/lib/libSystem.B.dylib\0".utf8)
        library.appendFields(UInt32(0xC), UInt32(56), UInt32(24), UInt32(0), UInt32(0), UInt32(0))
        library.bytes += needed + [UInt8](repeating: 0, count: 32 - needed.count)
        let symbolCommand = library.appendFields(
            UInt32(2), UInt32(24), UInt32(0), UInt32(3), UInt32(0), UInt32(0))
        let end = library.bytes.count
        // One of another library, one that is hidden, and the one that counts.
        let symbols = library.appendFields(UInt32(1), UInt8(0x01), UInt8(0), UInt16(0), UInt64(0))
        library.appendFields(UInt32(7), UInt8(0x1F), UInt8(1), UInt16(0), UInt64(64))
        library.appendFields(UInt32(33), UInt8(0x0F), UInt8(1), UInt16(0), UInt64(64))
        let strings = library.append("\0_puts\0_fidius_get_host_imports\0\0_fidius_get_registry\0")
        library.set(symbolCommand + 8, UInt32(symbols))
        library.set(symbolCommand + 16, UInt32(strings))
        library.set(symbolCommand + 20, UInt32(library.bytes.count - strings))
        library.set(0, UInt32(0xFEED_FACF))
        library.set(4, machine)
        library.set(12, UInt32(6))
        library.set(16, UInt32(2))
        library.set(20, UInt32(end - 32))
        return library
    }

    package mutating func set<Number: FixedWidthInteger>(_ offset: Int, _ value: Number) {
        withUnsafeBytes(of: value.littleEndian) { field in
            for (index, byte) in field.enumerated() { bytes[offset + index] = byte }
        }
    }

    private mutating func append(_ text: String) -> Int {
        let start = bytes.count
        bytes += Array(text.utf8)
        align()
        return start
    }

    @discardableResult
    private mutating func appendFields<each Field: FixedWidthInteger>(_ fields: repeat each Field) -> Int {
        let start = bytes.count
        for field in repeat each fields { withUnsafeBytes(of: field.littleEndian) { bytes += Array($0) } }
        return start
    }

    private mutating func align() {
        bytes += [UInt8](repeating: 0, count: -bytes.count & 7)
    }
}
