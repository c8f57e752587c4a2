import Synchronization

/// The C structures by which an engine finds and calls the package. They are laid out by hand, since Swift promises
/// nothing of how a struct lies in memory, and are never given back: an engine keeps pointers into them.
final class PluginRegistry: Sendable {
    private let package: CloacinaPackage
    // The memory behind it is written before this is set, and never again.
    nonisolated(unsafe) let pointer: UnsafeRawPointer

    private init(_ package: CloacinaPackage) {
        self.package = package
        pointer = layOutRegistry(descriptor: layOutDescriptor(pluginName: package.name))
    }

    /// The functions below are C's and know nothing but what the engine hands them: what they answer from stands here.
    private static let published = AtomicLazyReference<PluginRegistry>()

    /// The first package that is asked for is the library's.
    static func published(for package: CloacinaPackage) -> PluginRegistry {
        published.load() ?? published.storeIfNil(PluginRegistry(package))
    }

    fileprivate static func answer(_ method: PluginMethod, _ input: UnsafeRawBufferPointer) -> PluginAnswer {
        published.load()?.package.answer(method, input) ?? .inputUnreadable
    }
}

private typealias Slot =
    @convention(c) (
        _ instance: UnsafeMutableRawPointer?, _ input: UnsafePointer<UInt8>?, _ inputCount: UInt32,
        _ output: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?, _ outputCount: UnsafeMutablePointer<UInt32>?
    ) -> Int32

private let slots: [Slot] = [
    { _, input, count, output, length in answer(.taskMetadata, input, count, output, length) },
    { _, input, count, output, length in answer(.executeTask, input, count, output, length) },
    { _, input, count, output, length in answer(.graphMetadata, input, count, output, length) },
    { _, input, count, output, length in answer(.executeGraph, input, count, output, length) },
    { _, input, count, output, length in answer(.reactorMetadata, input, count, output, length) },
    { _, input, count, output, length in answer(.triggerMetadata, input, count, output, length) },
    { _, input, count, output, length in answer(.pollTrigger, input, count, output, length) },
    { _, input, count, output, length in answer(.triggerlessGraphMetadata, input, count, output, length) },
    { _, input, count, output, length in answer(.invokeTriggerlessGraph, input, count, output, length) },
]

private func answer(
    _ method: PluginMethod, _ input: UnsafePointer<UInt8>?, _ inputCount: UInt32,
    _ output: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?, _ outputCount: UnsafeMutablePointer<UInt32>?
) -> Int32 {
    let input = UnsafeRawBufferPointer(start: input, count: input == nil ? 0 : Int(inputCount))
    var answer = PluginRegistry.answer(method, input)
    guard let output, let outputCount else { return PluginAnswer.Status.inputUnreadable.rawValue }
    if UInt32(exactly: answer.bytes.count) == nil {
        answer = .refused(code: "TOO_LARGE", "The answer has 4 GiB or more.")
    }
    // The engine gives it back by free_buffer.
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: max(answer.bytes.count, 1))
    bytes.initialize(from: answer.bytes, count: answer.bytes.count)
    output.pointee = bytes
    outputCount.pointee = UInt32(truncatingIfNeeded: answer.bytes.count)
    return answer.status.rawValue
}

private let freeBuffer: @convention(c) (UnsafeMutablePointer<UInt8>?, UInt) -> Void = { bytes, _ in
    bytes?.deallocate()
}

/// An instance is an address of its own and holds nothing: every call is answered by the package.
private let construct: @convention(c) (UnsafePointer<UInt8>?, UInt32) -> UnsafeMutableRawPointer? = { _, _ in
    UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)
}

private let destroy: @convention(c) (UnsafeMutableRawPointer?) -> Void = { instance in instance?.deallocate() }

private func layOutRegistry(descriptor: UnsafeRawPointer) -> UnsafeRawPointer {
    let list = allocateZeroed(8)
    list.storeBytes(of: descriptor, as: UnsafeRawPointer.self)
    let registry = allocateZeroed(24)
    registry.copyMemory(from: "FIDIUS", byteCount: 6)
    registry.storeBytes(of: 1, toByteOffset: 8, as: UInt32.self)
    registry.storeBytes(of: 1, toByteOffset: 12, as: UInt32.self)
    registry.storeBytes(of: UnsafeRawPointer(list), toByteOffset: 16, as: UnsafeRawPointer.self)
    return UnsafeRawPointer(registry)
}

private func layOutDescriptor(pluginName: String) -> UnsafeRawPointer {
    // Those that are left out have a place in the table all the same: an engine refuses a shorter one.
    let tableCount = PluginInterface.methods.count
    let table = allocateZeroed(8 * tableCount)
    for (index, slot) in slots.enumerated() { table.storeBytes(of: slot, toByteOffset: 8 * index, as: Slot.self) }
    let optionalCount = slots.count - PluginInterface.firstOptionalMethod

    let size = 120
    let descriptor = allocateZeroed(size)
    descriptor.storeBytes(of: UInt32(size), as: UInt32.self)
    descriptor.storeBytes(of: PluginInterface.abiVersion, toByteOffset: 4, as: UInt32.self)
    descriptor.storeBytes(of: text(PluginInterface.name), toByteOffset: 8, as: UnsafeRawPointer.self)
    descriptor.storeBytes(of: PluginInterface.hash, toByteOffset: 16, as: UInt64.self)
    descriptor.storeBytes(of: PluginInterface.version, toByteOffset: 24, as: UInt32.self)
    descriptor.storeBytes(of: (1 << UInt64(optionalCount)) - 1, toByteOffset: 32, as: UInt64.self)
    // How buffers are handed over: the plugin allocates, the engine calls free_buffer.
    descriptor.storeBytes(of: 1, toByteOffset: 40, as: UInt8.self)
    descriptor.storeBytes(of: text(pluginName), toByteOffset: 48, as: UnsafeRawPointer.self)
    descriptor.storeBytes(of: UnsafeRawPointer(table), toByteOffset: 56, as: UnsafeRawPointer.self)
    descriptor.storeBytes(of: freeBuffer, toByteOffset: 64, as: type(of: freeBuffer))
    descriptor.storeBytes(of: UInt32(tableCount), toByteOffset: 72, as: UInt32.self)
    descriptor.storeBytes(of: construct, toByteOffset: 104, as: type(of: construct))
    descriptor.storeBytes(of: destroy, toByteOffset: 112, as: type(of: destroy))
    return UnsafeRawPointer(descriptor)
}

private func allocateZeroed(_ count: Int) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 8)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    return memory
}

/// As C reads it.
private func text(_ string: String) -> UnsafeRawPointer {
    let bytes = Array(string.utf8)
    let memory = allocateZeroed(bytes.count + 1)
    memory.copyMemory(from: bytes, byteCount: bytes.count)
    return UnsafeRawPointer(memory)
}
