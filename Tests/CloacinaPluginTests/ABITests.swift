import Foundation
import Glibc
import LianTestSupport
import Testing

/// The built example, as an engine written in C would call it: by addresses and offsets alone.
@Suite struct ABITests {
    @Test func theDescriptorIsWhatTheEngineAsksFor() async throws {
        let plugin = try LoadedPlugin(try await ExamplePlugin.library())
        let registry = plugin.registry
        #expect(UnsafeRawBufferPointer(start: registry, count: 8).elementsEqual("FIDIUS\0\0".utf8))
        #expect(registry.load(fromByteOffset: 8, as: UInt32.self) == 1)
        #expect(registry.load(fromByteOffset: 12, as: UInt32.self) == 1)
        let descriptor = plugin.descriptor
        #expect(descriptor.load(as: UInt32.self) == 120)
        #expect(descriptor.load(fromByteOffset: 4, as: UInt32.self) == 500)
        #expect(plugin.text(8) == "CloacinaPlugin")
        #expect(descriptor.load(fromByteOffset: 16, as: UInt64.self) == 0x5294_867f_0800_277b)
        #expect(descriptor.load(fromByteOffset: 24, as: UInt64.self) == 7)
        #expect(descriptor.load(fromByteOffset: 32, as: UInt64.self) == 0x1f)
        #expect(descriptor.load(fromByteOffset: 40, as: UInt64.self) == 1)
        #expect(plugin.text(48) == "swift-demo")
        #expect(descriptor.load(fromByteOffset: 72, as: UInt64.self) == 11)
        for offset in [80, 88, 96] { #expect(descriptor.load(fromByteOffset: offset, as: UInt64.self) == 0) }
        for index in 0..<11 {
            #expect((plugin.table.load(fromByteOffset: 8 * index, as: UInt.self) != 0) == (index < 9))
        }
        // It stays where it is.
        #expect(try LoadedPlugin(try await ExamplePlugin.library()).registry == registry)
    }

    @Test func everyMethodAnswers() async throws {
        let plugin = try LoadedPlugin(try await ExamplePlugin.library())
        try plugin.withInstance { instance in
            let expected: [(input: [UInt8], status: Int32, answer: [UInt8])] = [
                ([], 0, try metadata()),
                (text("goodbye") + text(#"{"x":1}"#), 0, [1, 1] + text(#"{"done":true,"x":1}"#) + [0]),
                ([], -3, text("NOT_SUPPORTED") + text("This package has no computation graphs.") + [0]),
                ([], -3, text("NOT_SUPPORTED") + text("This package has no computation graphs.") + [0]),
                ([], 0, number(0)),
                (
                    [], 0,
                    number(1) + text("hourly") + text("swift_demo") + text("swift-demo") + text("0ms") + [1]
                        + text("0 * * * *") + [0]
                ),
                (text("hourly"), 0, [0, 0, 0]),
                ([], 0, number(0)),
                (text("any"), 0, [0, 0, 1] + text("Unknown trigger-less graph")),
            ]
            for (index, method) in expected.enumerated() {
                let answer = plugin.call(index, instance, method.input)
                #expect(answer.status == method.status, "method \(index)")
                #expect(answer.bytes == method.answer, "method \(index)")
            }
        }
    }

    /// Many threads, the same instance: each gets its own answer.
    @Test func callsMayComeAtOnce() async throws {
        let plugin = try LoadedPlugin(try await ExamplePlugin.library())
        try plugin.withInstance { instance in
            nonisolated(unsafe) let instance = instance
            DispatchQueue.concurrentPerform(iterations: 2000) { index in
                let answer = plugin.call(1, instance, text("goodbye") + text("{\"x\":\(index)}"))
                #expect(answer.bytes == [1, 1] + text("{\"done\":true,\"x\":\(index)}") + [0])
            }
        }
    }

    /// A trap ends a process of its own and is seen.
    @Test func wrongInputEndsNothing() async throws {
        _ = try await ExamplePlugin.library()
        await #expect(processExitsWith: .success) {
            let plugin = try LoadedPlugin(try await ExamplePlugin.library())
            try plugin.withInstance { instance in
                let good = text("goodbye") + text(#"{"x":[1,{"y":"\u00e9"}]}"#) + number(0) + text("run")
                for seed in 0..<UInt64(20_000) {
                    var random = SeededGenerator(seed: seed)
                    var input = good
                    for _ in 0..<Int.random(in: 0...4, using: &random) {
                        input[Int.random(in: 0..<input.count, using: &random)] = .random(in: 0...255, using: &random)
                    }
                    if random.oneIn(3) { input = Array(input.prefix(Int.random(in: 0...input.count, using: &random))) }
                    let answer = plugin.call(Int.random(in: 0..<9, using: &random), instance, input)
                    guard [0, -2, -3].contains(answer.status) else { exit(1) }
                }
                // Pointers to nothing.
                for index in 0..<9 { _ = plugin.method(index)(instance, nil, 7, nil, nil) }
            }
        }
    }

    private func metadata() throws -> [UInt8] {
        func task(_ index: UInt8, _ id: String, _ after: [UInt8]) -> [UInt8] {
            [index, 0, 0, 0] + text(id) + text("{tenant}::swift-demo::swift_demo::\(id)") + after + text("")
                + text("swift-demo") + text(#"{"type":"Always"}"#) + [0]
        }
        return text("swift_demo") + text("swift-demo") + [1] + text("A workflow in Swift") + [0, 0, 0] + number(2)
            + task(0, "hello", number(0)) + task(1, "goodbye", number(1) + text("hello")) + number(0)
    }
}

private func number(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.littleEndian, Array.init) }

private func text(_ text: String) -> [UInt8] { number(UInt64(text.utf8.count)) + Array(text.utf8) }

/// A library that this process has loaded.
private struct LoadedPlugin: @unchecked Sendable {
    // Pointers to what the library never changes.
    let registry: UnsafeRawPointer
    let descriptor: UnsafeRawPointer
    let table: UnsafeRawPointer

    typealias Method =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<UInt8>?, UInt32,
            UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?,
            UnsafeMutablePointer<UInt32>?
        ) -> Int32

    init(_ library: URL) throws {
        let handle = try #require(dlopen(library.path, RTLD_NOW | RTLD_LOCAL))
        let function = try #require(dlsym(handle, "fidius_get_registry"))
        registry = unsafeBitCast(function, to: (@convention(c) () -> UnsafeRawPointer).self)()
        descriptor = registry.load(fromByteOffset: 16, as: UnsafeRawPointer.self).load(as: UnsafeRawPointer.self)
        table = descriptor.load(fromByteOffset: 56, as: UnsafeRawPointer.self)
    }

    func text(_ offset: Int) -> String {
        String(cString: descriptor.load(fromByteOffset: offset, as: UnsafePointer<CChar>.self))
    }

    func method(_ index: Int) -> Method { table.load(fromByteOffset: 8 * index, as: Method.self) }

    func withInstance(_ body: (UnsafeMutableRawPointer) throws -> Void) throws {
        typealias Construct = @convention(c) (UnsafePointer<UInt8>?, UInt32) -> UnsafeMutableRawPointer?
        typealias Destroy = @convention(c) (UnsafeMutableRawPointer?) -> Void
        let instance = try #require(descriptor.load(fromByteOffset: 104, as: Construct.self)(nil, 0))
        defer { descriptor.load(fromByteOffset: 112, as: Destroy.self)(instance) }
        try body(instance)
    }

    func call(_ index: Int, _ instance: UnsafeMutableRawPointer, _ input: [UInt8]) -> (status: Int32, bytes: [UInt8]) {
        typealias Free = @convention(c) (UnsafeMutablePointer<UInt8>?, UInt) -> Void
        var bytes: UnsafeMutablePointer<UInt8>?
        var count: UInt32 = 0
        let status = input.withUnsafeBufferPointer { input in
            method(index)(instance, input.baseAddress, UInt32(input.count), &bytes, &count)
        }
        defer { descriptor.load(fromByteOffset: 64, as: Free.self)(bytes, UInt(count)) }
        return (status, Array(UnsafeBufferPointer(start: bytes, count: Int(count))))
    }
}
