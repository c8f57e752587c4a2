import CloacinaPlugin
import LianModel

/// How a plugin presents itself to an engine: a structure in the library, as it was read.
package struct PluginDescriptor: Equatable, Sendable {
    /// It grew with the versions of the ABI; what is read here is in all of them.
    static let sizes: Set<UInt32> = [80, 104, 120]
    /// More methods than any interface has; beyond it, what looks like a descriptor is none.
    static let mostMethods: UInt32 = 256

    /// Where the parts are.
    enum Offset {
        static let abi: UInt64 = 4
        static let interface: UInt64 = 8
        static let hash: UInt64 = 16
        static let version: UInt64 = 24
        static let capabilities: UInt64 = 32
        static let strategy: UInt64 = 40
        static let pluginName: UInt64 = 48
        static let methods: UInt64 = 56
        static let freeBuffer: UInt64 = 64
        static let methodCount: UInt64 = 72
        static let construct: UInt64 = 104
        static let destroy: UInt64 = 112
    }

    var abi: UInt32
    var interface: String
    var hash: UInt64
    var version: UInt32
    var capabilities: UInt64
    var strategy: UInt8
    var pluginName: String?
    /// Whether the table has a function, for each place in it.
    var functions: [Bool]

    var isAccepted: Bool { abi == PluginInterface.abiVersion }

    private var isHashKnown: Bool {
        switch interface {
        case PluginInterface.name: hash == PluginInterface.hash
        case "CloacinaHost": hash == 0x907e_881f_7645_39bf
        default: false
        }
    }

    /// A method that may be left out is there where its bit is set as well.
    func isPresent(_ index: Int) -> Bool {
        guard functions[index] else { return false }
        let bit = index - PluginInterface.firstOptionalMethod
        return interface != PluginInterface.name || bit < 0 || (bit < 64 && capabilities >> UInt64(bit) & 1 == 1)
    }

    private func name(_ index: Int) -> String? {
        guard interface == PluginInterface.name, PluginInterface.methods.indices.contains(index) else { return nil }
        return PluginInterface.methods[index]
    }
}

extension PluginDescriptor: JSONEncodable {
    /// Numbers of 64 bits are written as text: readers of JSON round them.
    package var json: JSONValue {
        [
            "interface": .string(interface), "plugin": pluginName.map { .string($0) } ?? .null,
            "hash": .string(hexadecimal(hash)), "hash_known": .bool(isHashKnown), "version": .integer(Int(version)),
            "capabilities": .string(hexadecimal(capabilities)), "strategy": .integer(Int(strategy)),
            "abi": .integer(Int(abi)), "abi_accepted": .bool(isAccepted), "method_count": .integer(functions.count),
            "methods": .array(
                functions.indices.map { index in
                    [
                        "index": .integer(index), "name": name(index).map { .string($0) } ?? .null,
                        "present": .bool(isPresent(index)),
                    ]
                }),
        ]
    }
}

private func hexadecimal(_ number: UInt64) -> String { "0x\(String(number, radix: 16))" }

/// Whether bytes can be the name of an interface: any pointer in a library leads to some bytes.
func isPluginName(_ bytes: some Collection<UInt8>) -> Bool {
    guard let first = bytes.first, (first | 0x20) >= UInt8(ascii: "a"), (first | 0x20) <= UInt8(ascii: "z") else {
        return false
    }
    return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F }
}

let longestPluginName = 128
