extension ELFLibrary {
    /// More descriptors than any library has.
    private static let mostDescriptors = 64

    /// What looks like a descriptor and has its name and its methods by pointers. Those of C and Rust stand in the file;
    /// Swift makes them when it runs.
    func descriptors() throws(LibraryFault) -> [PluginDescriptor] {
        // Nothing is kept of the pointers: there may be millions. They are gone through once for the descriptors, once
        // for what these point to, and once for the methods.
        var found: [UInt64: PluginDescriptor] = [:]
        try eachPointer { (place, target) throws(LibraryFault) in
            guard let target, let descriptor = try descriptor(whoseInterfaceIsAt: place, named: target) else { return }
            guard found.count < Self.mostDescriptors else { throw LibraryFault("it has too many descriptors") }
            found[place - PluginDescriptor.Offset.interface] = descriptor
        }
        guard !found.isEmpty else { return [] }

        var slots: [UInt64: [(descriptor: UInt64, index: Int)]] = [:]
        var tables: Set<UInt64> = []
        try eachPointer { (place, target) throws(LibraryFault) in
            guard let target else { return }
            found[place &- PluginDescriptor.Offset.pluginName]?.pluginName = pluginName(at: target)
            let start = place &- PluginDescriptor.Offset.methods
            if let count = found[start]?.functions.count {
                // Else each of millions of pointers could name another one.
                guard tables.insert(start).inserted else {
                    throw LibraryFault("a descriptor in it has two tables of methods")
                }
                for index in 0..<count {
                    slots[target &+ 8 * UInt64(index), default: []].append((start, index))
                }
            }
        }
        try eachPointer { (place, target) throws(LibraryFault) in
            // 0 is no function, wherever the library is loaded.
            guard target != 0, let owners = slots[place] else { return }
            for owner in owners { found[owner.descriptor]?.functions[owner.index] = true }
        }
        return found.sorted { $0.key < $1.key }.map(\.value)
    }

    private func descriptor(
        whoseInterfaceIsAt place: UInt64, named target: UInt64
    ) throws(LibraryFault) -> PluginDescriptor? {
        typealias Offset = PluginDescriptor.Offset
        guard place >= Offset.interface,
            let start = offset(of: place - Offset.interface, count: UInt64(PluginDescriptor.sizes.min() ?? 0))
        else { return nil }
        let size = try file.number(at: start, as: UInt32.self)
        let abi = try file.number(at: start + Offset.abi, as: UInt32.self)
        guard PluginDescriptor.sizes.contains(size), abi > 0, abi % 100 == 0, abi <= 20_000,
            offset(of: place - Offset.interface, count: UInt64(size)) != nil, let name = pluginName(at: target)
        else { return nil }
        let methodCount = try file.number(at: start + Offset.methodCount, as: UInt32.self)
        guard methodCount <= PluginDescriptor.mostMethods else { return nil }
        return PluginDescriptor(
            abi: abi, interface: name, hash: try file.number(at: start + Offset.hash, as: UInt64.self),
            version: try file.number(at: start + Offset.version, as: UInt32.self),
            capabilities: try file.number(at: start + Offset.capabilities, as: UInt64.self),
            strategy: try file.number(at: start + Offset.strategy, as: UInt8.self), pluginName: nil,
            functions: [Bool](repeating: false, count: Int(methodCount)))
    }

    private func pluginName(at address: UInt64) -> String? {
        guard let start = offset(of: address, count: 1),
            let bytes = try? file.text(at: start, limit: longestPluginName),
            isPluginName(bytes)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
