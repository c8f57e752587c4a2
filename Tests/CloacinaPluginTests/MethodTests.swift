import Testing

@testable import CloacinaPlugin

/// What the methods answer, byte by byte. The bytes that are expected were written by Python's struct module.
@Suite struct MethodTests {
    private static let package = CloacinaPackage(
        name: "swift-demo", workflow: "swift_demo", description: "A workflow in Swift"
    ) {
        PackageTask("hello") { context in context["hello"] = "world" }
        PackageTask("goodbye", after: ["hello"]) { context in context["done"] = true }
        PackageTrigger("hourly", on: "swift_demo", cron: "0 * * * *")
        PackageTrigger("often", on: "swift_demo", every: .seconds(5), allowsConcurrent: true) {
            .fire(["by": "often"])
        }
        PackageTask("failing") { _ in throw Failure() }
        PackageTrigger("failing", on: "swift_demo", every: .milliseconds(1)) { throw Failure() }
        PackageTrigger("never", on: "swift_demo", every: .seconds(1)) { .skip }
    }

    private struct Failure: Error, CustomStringConvertible {
        let description = "no luck today"
    }

    private func ask(
        _ method: PluginMethod, of package: CloacinaPackage = package, _ input: [UInt8] = []
    ) -> PluginAnswer {
        input.withUnsafeBytes { package.answer(method, $0) }
    }

    private func wire(_ write: (inout WireWriter) -> Void) -> [UInt8] {
        var writer = WireWriter()
        write(&writer)
        return writer.bytes
    }

    /// What tasks and triggers answer.
    private func outcome(_ isGood: Bool, _ context: String?, _ error: String?) -> [UInt8] {
        wire { writer in
            writer.append(isGood)
            writer.append(context)
            writer.append(error)
        }
    }

    private func execution(_ task: String, _ context: String) -> [UInt8] {
        wire { writer in
            writer.append(task)
            writer.append(context)
        }
    }

    @Test func metadataOfTasks() {
        let package = CloacinaPackage(
            name: "swift-demo", workflow: "swift_demo", description: "A workflow in Swift"
        ) {
            PackageTask("hello") { _ in }
            PackageTask("goodbye", after: ["hello"]) { _ in }
        }
        let golden = """
            0a0000000000000073776966745f64656d6f0a0000000000000073776966742d64656d6f011300000000000000412077
            6f726b666c6f7720696e205377696674000000020000000000000000000000050000000000000068656c6c6f27000000
            000000007b74656e616e747d3a3a73776966742d64656d6f3a3a73776966745f64656d6f3a3a68656c6c6f0000000000
            00000000000000000000000a0000000000000073776966742d64656d6f11000000000000007b2274797065223a22416c
            77617973227d00010000000700000000000000676f6f6462796529000000000000007b74656e616e747d3a3a73776966
            742d64656d6f3a3a73776966745f64656d6f3a3a676f6f646279650100000000000000050000000000000068656c6c6f
            00000000000000000a0000000000000073776966742d64656d6f11000000000000007b2274797065223a22416c776179
            73227d000000000000000000
            """
        let answer = ask(.taskMetadata, of: package)
        #expect(answer.status == .done)
        #expect(hex(answer.bytes) == golden.filter { $0 != "\n" })
    }

    @Test func metadataOfTriggers() {
        let package = CloacinaPackage(name: "swift-demo", workflow: "swift_demo") {
            PackageTrigger("hourly", on: "swift_demo", cron: "0 * * * *")
            PackageTrigger("often", on: "swift_demo", every: .seconds(5), allowsConcurrent: true) { .skip }
        }
        let golden = """
            02000000000000000600000000000000686f75726c790a0000000000000073776966745f64656d6f0a00000000000000
            73776966742d64656d6f0300000000000000306d7301090000000000000030202a202a202a202a000500000000000000
            6f6674656e0a0000000000000073776966745f64656d6f0a0000000000000073776966742d64656d6f06000000000000
            00353030306d730001
            """
        let answer = ask(.triggerMetadata, of: package)
        #expect(answer.status == .done)
        #expect(hex(answer.bytes) == golden.filter { $0 != "\n" })
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func aTaskGetsTheContextAndGivesItOn() {
        let answer = ask(.executeTask, execution("hello", #"{"x":1,"a":{"b":[null]}}"#))
        #expect(answer.status == .done)
        #expect(answer.bytes == outcome(true, #"{"a":{"b":[null]},"hello":"world","x":1}"#, nil))
    }

    @Test func aTaskThatThrowsHasFailed() {
        #expect(ask(.executeTask, execution("failing", "{}")).bytes == outcome(false, nil, "no luck today"))
        #expect(ask(.executeTask, execution("nope", "{}")).bytes == outcome(false, nil, "Unknown task: nope"))
        let unreadable = outcome(false, nil, "The context cannot be read: an object is expected at byte 0")
        #expect(ask(.executeTask, execution("hello", "[]")).bytes == unreadable)
    }

    /// Secrets and the execution's number follow where an engine sends them.
    @Test func whatFollowsTheContextIsLetThrough() {
        let input = wire { writer in
            writer.append("hello")
            writer.append("{}")
            writer.append(UInt64(0))
            writer.append("run-7")
        }
        #expect(ask(.executeTask, input).bytes == outcome(true, #"{"hello":"world"}"#, nil))
    }

    @Test func triggersDecide() {
        func poll(_ name: String) -> [UInt8] { ask(.pollTrigger, wire { $0.append(name) }).bytes }
        #expect(poll("often") == outcome(true, #"{"by":"often"}"#, nil))
        #expect(poll("never") == outcome(false, nil, nil))
        #expect(poll("hourly") == outcome(false, nil, nil))
        #expect(poll("failing") == outcome(false, nil, "no luck today"))
        #expect(poll("nope") == outcome(false, nil, "Unknown trigger: nope"))
    }

    @Test func whatAPackageHasNot() {
        for method in [PluginMethod.graphMetadata, .executeGraph] {
            let answer = ask(method)
            #expect(answer.status == .refused)
            #expect(
                answer.bytes
                    == wire { writer in
                        writer.append("NOT_SUPPORTED")
                        writer.append("This package has no computation graphs.")
                        writer.append(String?.none)
                    })
        }
        for method in [PluginMethod.reactorMetadata, .triggerlessGraphMetadata] {
            #expect(ask(method).bytes == [UInt8](repeating: 0, count: 8))
        }
        #expect(ask(.invokeTriggerlessGraph).bytes == outcome(false, nil, "Unknown trigger-less graph"))
    }

    /// Cut anywhere, with lengths that lead beyond the end, and with bytes that are no text.
    @Test func inputThatCannotBeReadIsTold() {
        let good = execution("hello", "{}")
        for count in 0..<good.count {
            #expect(ask(.executeTask, Array(good.prefix(count))).status == .inputUnreadable)
        }
        for length: UInt64 in [1, 1 << 31, 1 << 63, .max] {
            #expect(ask(.pollTrigger, wire { $0.append(length) }).status == .inputUnreadable)
        }
        #expect(ask(.pollTrigger, wire { $0.append(UInt64(1)) } + [0xFF]).status == .inputUnreadable)
    }

    @Test(arguments: [
        ("a", [], "a", [], "Two tasks are called 'a'."),
        ("a", ["c"], "b", [], "Task 'a' comes after 'c', which is no task of this package."),
        ("a", ["a"], "b", ["a"], "These tasks wait for each other: a, b."),
        ("a", ["b"], "b", ["a"], "These tasks wait for each other: a, b."),
    ])
    func aPackageThatCannotBeIsRefused(
        first: String, afterFirst: [String], second: String, afterSecond: [String], reason: String
    ) {
        expectRefusal(
            CloacinaPackage(name: "p", workflow: "w") {
                PackageTask(first, after: afterFirst) { _ in }
                PackageTask(second, after: afterSecond) { _ in }
            }, reason)
    }

    @Test func triggersThatCannotBeAreRefused() {
        expectRefusal(
            CloacinaPackage(name: "p", workflow: "w") {
                for _ in 0..<2 { PackageTrigger("t", on: "w", cron: "* * * * *") }
            }, "Two triggers are called 't'.")
        for interval in [Duration.zero, .seconds(-1), .microseconds(999), .seconds(Int64.max)] {
            expectRefusal(
                CloacinaPackage(name: "p", workflow: "w") {
                    PackageTrigger("t", on: "w", every: interval) { .skip }
                }, "Trigger 't' needs an interval of at least a millisecond.")
        }
    }

    private func expectRefusal(
        _ package: CloacinaPackage, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let answer = ask(.taskMetadata, of: package)
        #expect(answer.status == .refused, sourceLocation: sourceLocation)
        let expected = wire { writer in
            writer.append("INVALID_PACKAGE")
            writer.append(reason)
            writer.append(String?.none)
        }
        #expect(answer.bytes == expected, sourceLocation: sourceLocation)
    }
}
