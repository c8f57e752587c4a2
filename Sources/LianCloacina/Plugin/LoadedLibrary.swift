import CloacinaPlugin
import Glibc
import LianModel

/// A library in this process. It may do whatever it likes here, and end the process: only the child that was started for
/// it makes one.
struct LoadedLibrary {
    struct Failure: Error {
        let reason: String
    }

    let descriptors: [PluginDescriptor]
    /// What the methods that tell of the plugin answered, in their order.
    let answers: [Answer]

    struct Answer {
        let method: Int
        let status: Int32
        let bytes: [UInt8]
    }

    private static let mostPlugins: UInt32 = 64
    /// The plugin's side allocates what it answers, and frees it: nothing else is asked here.
    private static let allocatedByPlugin: UInt8 = 1
    /// Those that take no input and tell what there is.
    private static let tellingMethods = [0, 2, 4, 5, 7, 9, 10]

    init(path: String) throws(Failure) {
        guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            throw Failure(reason: dlerror().map { String(cString: $0) } ?? "it cannot be loaded")
        }
        guard let symbol = dlsym(library, PluginInterface.registryFunction) else {
            throw Failure(reason: "it has no function \(PluginInterface.registryFunction)")
        }
        let function = unsafeBitCast(symbol, to: (@convention(c) () -> UnsafeRawPointer?).self)
        guard let registry = function() else { throw Failure(reason: "its registry is nowhere") }
        guard UnsafeRawBufferPointer(start: registry, count: 8).elementsEqual("FIDIUS\0\0".utf8),
            registry.load(fromByteOffset: 8, as: UInt32.self) == 1
        else { throw Failure(reason: "its registry is none of version 1") }
        let count = registry.load(fromByteOffset: 12, as: UInt32.self)
        guard count <= Self.mostPlugins, let list = registry.load(fromByteOffset: 16, as: UnsafeRawPointer?.self) else {
            throw Failure(reason: "its registry says that it has \(count) plugins")
        }
        var descriptors: [PluginDescriptor] = []
        var answers: [Answer] = []
        for index in 0..<Int(count) {
            guard let pointer = list.load(fromByteOffset: 8 * index, as: UnsafeRawPointer?.self) else {
                throw Failure(reason: "plugin \(index) of its registry is nowhere")
            }
            let descriptor = try Self.read(pointer)
            descriptors.append(descriptor)
            // Only the largest has the two functions that make an instance and end it.
            let isWhole = pointer.load(as: UInt32.self) == PluginDescriptor.sizes.max()
            let isAsked = isWhole && descriptor.isAccepted && descriptor.interface == PluginInterface.name
            if isAsked, answers.isEmpty, descriptor.strategy == Self.allocatedByPlugin {
                answers = Self.ask(pointer, descriptor)
            }
        }
        self.descriptors = descriptors
        self.answers = answers
    }

    private static func read(_ pointer: UnsafeRawPointer) throws(Failure) -> PluginDescriptor {
        func field<Field>(_ offset: UInt64, as type: Field.Type) -> Field {
            pointer.load(fromByteOffset: Int(offset), as: type)
        }
        typealias Offset = PluginDescriptor.Offset
        let size = field(0, as: UInt32.self)
        guard PluginDescriptor.sizes.contains(size) else {
            throw Failure(reason: "its descriptor has \(size) bytes, which no version of the ABI has")
        }
        guard let interface = name(field(Offset.interface, as: UnsafePointer<UInt8>?.self)) else {
            throw Failure(reason: "its descriptor names no interface")
        }
        let count = field(Offset.methodCount, as: UInt32.self)
        guard count <= PluginDescriptor.mostMethods else {
            throw Failure(reason: "its descriptor says that it has \(count) methods")
        }
        let table = field(Offset.methods, as: UnsafeRawPointer?.self)
        return PluginDescriptor(
            abi: field(Offset.abi, as: UInt32.self), interface: interface,
            hash: field(Offset.hash, as: UInt64.self), version: field(Offset.version, as: UInt32.self),
            capabilities: field(Offset.capabilities, as: UInt64.self),
            strategy: field(Offset.strategy, as: UInt8.self),
            pluginName: name(field(Offset.pluginName, as: UnsafePointer<UInt8>?.self)),
            functions: (0..<Int(count)).map {
                table?.load(fromByteOffset: 8 * $0, as: UnsafeRawPointer?.self) != nil
            })
    }

    private static func name(_ start: UnsafePointer<UInt8>?) -> String? {
        guard let start else { return nil }
        let count = strnlen(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), longestPluginName + 1)
        let bytes = UnsafeBufferPointer(start: start, count: count)
        return count <= longestPluginName && isPluginName(bytes) ? String(decoding: bytes, as: UTF8.self) : nil
    }

    private typealias Method =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<UInt8>?, UInt32, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>,
            UnsafeMutablePointer<UInt32>
        ) -> Int32

    private static func ask(_ pointer: UnsafeRawPointer, _ descriptor: PluginDescriptor) -> [Answer] {
        typealias Offset = PluginDescriptor.Offset
        func function<Function>(_ offset: UInt64, as type: Function.Type) -> Function? {
            pointer.load(fromByteOffset: Int(offset), as: Function?.self)
        }
        guard let table = pointer.load(fromByteOffset: Int(Offset.methods), as: UnsafeRawPointer?.self) else {
            return []
        }
        let construct = function(
            Offset.construct, as: (@convention(c) (UnsafePointer<UInt8>?, UInt32) -> UnsafeMutableRawPointer?).self)
        let destroy = function(Offset.destroy, as: (@convention(c) (UnsafeMutableRawPointer?) -> Void).self)
        let freeBuffer = function(
            Offset.freeBuffer, as: (@convention(c) (UnsafeMutablePointer<UInt8>?, UInt) -> Void).self)
        let instance = construct?(nil, 0)
        defer { destroy?(instance) }
        return tellingMethods.compactMap { index in
            guard index < descriptor.functions.count, descriptor.isPresent(index),
                let method = table.load(fromByteOffset: 8 * index, as: Method?.self)
            else { return nil }
            var bytes: UnsafeMutablePointer<UInt8>?
            var count: UInt32 = 0
            let status = method(instance, nil, 0, &bytes, &count)
            defer { if bytes != nil { freeBuffer?(bytes, UInt(count)) } }
            return Answer(
                method: index, status: status,
                bytes: bytes == nil ? [] : Array(UnsafeBufferPointer(start: bytes, count: Int(count))))
        }
    }
}

extension LoadedLibrary: JSONEncodable {
    var json: JSONValue {
        ["descriptors": .array(descriptors.map(\.json)), "methods": .array(answers.map(\.json))]
    }
}
