import LianCloacina
import LianModel
import LianTestSupport
import Testing

@Suite struct LibraryInspectionTests {
    @Test(arguments: [UInt16(62), 183], MadeLibrary.Relocations.allCases)
    func readsELF(machine: UInt16, relocations: MadeLibrary.Relocations) throws {
        let json = try LibraryInspection(of: MadeLibrary.elf(machine: machine, relocations: relocations).bytes).json
        #expect(json["format"] == "elf")
        #expect(json["machine"] == (machine == 62 ? "x86_64" : "aarch64"))
        #expect(json["exports"] == ["fidius_get_registry"])
        #expect(json["needed"] == ["libc.so.6"])
        #expect(json["glibc"] == "2.34")
        let names = [
            "get_task_metadata", "execute_task", "get_graph_metadata", "execute_graph", "get_reactor_metadata",
            "get_trigger_metadata", "invoke_trigger_poll", "get_triggerless_graph_metadata",
            "invoke_triggerless_graph", "get_input_interface", "get_constructor_metadata",
        ]
        let descriptor: JSONValue = [
            "interface": "CloacinaPlugin", "plugin": "Made", "hash": "0x5294867f0800277b", "hash_known": true,
            "version": 7, "capabilities": "0x1f", "strategy": 1, "abi": 500, "abi_accepted": true, "method_count": 11,
            "methods": .array(
                names.enumerated().map { index, name in
                    ["index": .integer(index), "name": .string(name), "present": .bool(index < 9)]
                }),
        ]
        #expect(json["descriptors"] == [descriptor])
    }

    /// The method is in the table, and its bit says that it is not there.
    @Test func anOptionalMethodNeedsItsBit() throws {
        var library = MadeLibrary.elf(machine: 62, relocations: .compact)
        library.set(try place(of: 0x1f, in: library), UInt64(0x0f))
        let methods = try LibraryInspection(of: library.bytes).json["descriptors"]?[0]?["methods"]
        #expect(methods?[7]?["present"] == true)
        #expect(methods?[8]?["present"] == false)
    }

    @Test func aDescriptorOfAnotherABIIsToldAndNotAccepted() throws {
        var library = MadeLibrary.elf(machine: 62, relocations: .compact)
        library.set(try place(of: 500 << 32 | 120, in: library) + 4, UInt32(400))
        let descriptor = try LibraryInspection(of: library.bytes).json["descriptors"]?[0]
        #expect(descriptor?["abi"] == 400)
        #expect(descriptor?["abi_accepted"] == false)
    }

    /// Swift's descriptors are made when the library is loaded.
    @Test func aRegistryWithoutDescriptorsMakesThemAtRunTime() throws {
        var library = MadeLibrary.elf(machine: 62, relocations: .compact)
        library.set(try place(of: 500 << 32 | 120, in: library), UInt32(121))
        #expect(try LibraryInspection(of: library.bytes).json["descriptors"] == "at_run_time")
    }

    /// Each of millions of pointers could name another table of methods, and each of these be kept.
    @Test func aDescriptorHasOneTableOfMethods() throws {
        var library = MadeLibrary.elf(machine: 62, relocations: .plain)
        let table = try place(of: 500 << 32 | 120, in: library) + 56
        let relocation = try place(of: UInt64(table), in: library)
        let methods = library.bytes[(relocation + 16)...].prefix(8).reversed().reduce(UInt64(0)) {
            $0 << 8 | UInt64($1)
        }
        // The pointer to a method becomes a second one to a table.
        library.set(try place(of: methods + 8, in: library), UInt64(table))
        let fault = #expect(throws: LibraryFault.self) { try LibraryInspection(of: library.bytes) }
        #expect(fault?.reason == "a descriptor in it has two tables of methods")
    }

    private func place(of word: UInt64, in library: MadeLibrary) throws -> Int {
        let bytes = withUnsafeBytes(of: word.littleEndian, Array.init)
        return try #require(
            stride(from: 0, to: library.bytes.count, by: 8).first { library.bytes[$0...].starts(with: bytes) })
    }

    @Test(arguments: [(UInt32(0x0100_0007), "x86_64"), (0x0100_000C, "aarch64")])
    func readsMachO(machine: UInt32, name: String) throws {
        let expected: JSONValue = [
            "format": "mach-o", "machine": .string(name), "exports": ["fidius_get_registry"],
            "needed": ["/usr/lib/libSystem.B.dylib"], "glibc": nil, "descriptors": nil, "loaded": nil,
        ]
        #expect(try LibraryInspection(of: MadeLibrary.machO(machine: machine).bytes).json == expected)
    }

    @Test(arguments: [
        ([], "it is neither an ELF nor a Mach-O file"),
        (Array("#!/bin/sh\n".utf8), "it is neither an ELF nor a Mach-O file"),
        (
            [0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, 2],
            "it holds libraries for several machines: take one out by 'lipo -thin'"
        ),
        ([0x7F, 0x45, 0x4C, 0x46, 1, 1], "it is for a machine that has not 64 bits, little endian"),
        ([0x7F, 0x45, 0x4C, 0x46, 2, 2], "it is for a machine that has not 64 bits, little endian"),
        ([0x7F, 0x45, 0x4C, 0x46], "it has 4 bytes, and says that something is at byte 4"),
        ([0xCF, 0xFA, 0xED, 0xFE], "it has 4 bytes, and says that something is at byte 4"),
    ])
    func tellsWhatIsNoLibrary(bytes: [UInt8], reason: String) {
        let fault = #expect(throws: LibraryFault.self) { try LibraryInspection(of: bytes) }
        #expect(fault?.reason == reason)
    }

    /// One field of the header after the other says something that cannot be.
    @Test(arguments: [
        (16, UInt64(2), "it is no shared library"),
        (18, 243, "it is for another machine (243) than x86_64 and aarch64"),
        (54, 8, "its program headers are too small"),
        (56, 0, "it says nothing of how it is linked"),
    ])
    func tellsWhatIsWrongWithTheHeader(offset: Int, value: UInt64, reason: String) {
        var library = MadeLibrary.elf(machine: 62, relocations: .plain)
        library.set(offset, UInt16(value))
        let fault = #expect(throws: LibraryFault.self) { try LibraryInspection(of: library.bytes) }
        #expect(fault?.reason == reason)
    }

    @Test func segmentsLieInTheFile() {
        for value in [UInt64(1) << 20, .max] {
            for field in [72, 80, 96] {
                var library = MadeLibrary.elf(machine: 62, relocations: .plain)
                library.set(field, value)
                #expect(throws: LibraryFault.self) { try LibraryInspection(of: library.bytes) }
            }
        }
    }

    /// Whatever is missing at its end is missed.
    @Test func aCutLibraryIsTold() {
        let whole = MadeLibrary.elf(machine: 62, relocations: .plain).bytes
        for count in 4..<whole.count {
            #expect(throws: LibraryFault.self) { try LibraryInspection(of: Array(whole.prefix(count))) }
        }
        let other = MadeLibrary.machO(machine: 0x0100_000C).bytes
        for count in 4..<other.count {
            #expect(throws: LibraryFault.self) { try LibraryInspection(of: Array(other.prefix(count))) }
        }
    }
}
