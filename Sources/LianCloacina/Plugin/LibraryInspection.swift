import LianModel

/// What a library says of itself to one who does not run it.
package struct LibraryInspection: Equatable, Sendable {
    package enum Format: String, Sendable {
        case elf
        case machO = "mach-o"
    }

    package enum Descriptors: Equatable, Sendable {
        case found([PluginDescriptor])
        /// It hands out a registry and has no descriptor in its data: it makes them when it is loaded.
        case atRunTime
        /// They are looked for in ELF alone.
        case notLookedFor
    }

    package let format: Format
    package let machine: String
    package let exports: [String]
    package let needed: [String]
    package let glibc: String?
    package let descriptors: Descriptors
    /// What it said when it was loaded, where it was.
    package var loaded: JSONValue?

    /// More than hosts take in an archive.
    package static let mostBytes = 500 << 20

    private static let functions: [StaticString] = ["fidius_get_host_imports", "fidius_get_registry"]

    /// Whether a file begins as one does.
    package static func isLibrary(at path: String) -> Bool {
        let bytes = beginning(of: path)
        return ELFLibrary.isOne(bytes) || MachOLibrary.isOne(bytes) || MachOLibrary.isUniversal(bytes)
    }

    /// Nothing of the library is run.
    package init(of bytes: [UInt8]) throws(LibraryFault) { try self.init(LibraryBytes(bytes)) }

    init(_ file: LibraryBytes) throws(LibraryFault) {
        let bytes = try file.beginning()
        if ELFLibrary.isOne(bytes) {
            let library = try ELFLibrary(file)
            format = .elf
            machine = library.machine.name
            exports = try library.exported(of: Self.functions)
            needed = try library.needed()
            glibc = try library.newestGLIBC()
            let found = try library.descriptors()
            descriptors = found.isEmpty && exports.contains("fidius_get_registry") ? .atRunTime : .found(found)
        } else if MachOLibrary.isOne(bytes) {
            let library = try MachOLibrary(file)
            format = .machO
            machine = library.machine
            exports = try library.exported(of: Self.functions)
            needed = try library.needed()
            glibc = nil
            descriptors = .notLookedFor
        } else if MachOLibrary.isUniversal(bytes) {
            throw LibraryFault("it holds libraries for several machines: take one out by 'lipo -thin'")
        } else {
            throw LibraryFault("it is neither an ELF nor a Mach-O file")
        }
    }
}

extension LibraryInspection: JSONEncodable {
    package var json: JSONValue {
        [
            "format": .string(format.rawValue), "machine": .string(machine), "exports": exports.json,
            "needed": needed.json, "glibc": glibc.map { .string($0) } ?? .null, "descriptors": descriptors.json,
            "loaded": loaded ?? .null,
        ]
    }
}

extension LibraryInspection.Descriptors: JSONEncodable {
    package var json: JSONValue {
        switch self {
        case .found(let descriptors): .array(descriptors.map(\.json))
        case .atRunTime: "at_run_time"
        case .notLookedFor: .null
        }
    }
}
