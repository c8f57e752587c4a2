import Foundation
import Glibc
import LianIntegrate
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Each field of a context with a value of another kind, or one that its rule refuses.
let wrongFields: [(String, JSONValue)] = [
    ("schema", 1), ("schema", "secret-delivery-context/v2"), ("request_id", 7), ("request_id", ""),
    ("request_id", "a\nb"), ("request_id", nil), ("workspace", []), ("workspace", "Not A Slug"),
    ("actor", "me"),
    ("actor", nil), ("actor", ["id": "x"]), ("actor", ["id": 1, "kind": "ci"]),
    ("actor", ["id": "x", "kind": "root"]),
    ("secrets", [:]), ("secrets", "s3cret"), ("secrets", ["s3cret"]), ("secrets", nil),
    ("secrets", [["name": "a", "kind": "cred"]]), ("secrets", [["name": 1, "kind": "cred", "delivery": [:]]]),
    ("secrets", [["name": "a", "kind": "s3cret", "delivery": [:]]]),
    ("secrets", [["name": "a", "kind": "key", "delivery": "s3cret"]]),
    ("secrets", [["name": "a", "kind": "key", "delivery": ["via": "s3cret"]]]),
    ("secrets", [["name": "a", "kind": "key", "delivery": ["via": "env"]]]),
    ("secrets", [["name": "a", "kind": "key", "delivery": ["via": "env", "name": "s3cret value"]]]),
    ("secrets", [["name": "a", "kind": "key", "delivery": ["via": "file", "path": ""]]]),
    ("secrets", [["name": "a", "kind": "key", "delivery": ["via": "file", "name": "s3cret"]]]),
    ("secrets", [["name": "a", "kind": "key", "delivery": ["via": "inline", "value": ["s3cret"]]]]),
    (
        "secrets",
        [
            ["name": "a", "kind": "key", "delivery": ["via": "inline", "value": "s3cret"]],
            ["name": "a", "kind": "key", "delivery": ["via": "inline", "value": "s3cret"]],
        ]
    ),
    ("directives", "s3cret"), ("directives", nil), ("directives", []), ("checks", "tools"), ("checks", ["all"]),
    ("checks", [1]), ("checks", nil), ("deadline", 5), ("deadline", "tomorrow"), ("deadline", nil),
]

/// Whatever comes by stdin gets one answer.
@Suite struct IntegrateInputTests {
    private func answer(_ bytes: [UInt8]) async -> IntegrationAnswer {
        await Integrate(IntegrateOptions(), environment: [:]).run(.success(bytes)).answer
    }

    @Test(arguments: [
        ("", "the text is empty"), ("  \n", "the text is empty"), ("{", "a record's key"),
        ("nonsense", "no JSON value"),
        ("{\"a\":1,\"a\":2}", "twice"), ("[]", "must be a record"), ("\"s3cret-value\"", "must be a record"),
        ("null", "must be a record"), ("{}", "schema: is required"),
    ])
    func whatIsNoContextIsExit2(text: String, message: String) async throws {
        let answer = await answer([UInt8](text.utf8))
        #expect(answer.exitStatus == 2)
        #expect(answer.error?.code == .contextInvalid)
        #expect(answer.error?.message.contains(message) == true, "\(String(describing: answer.error))")
        #expect(answer.requestID == nil && answer.workspace == nil)
        #expect(answer.checks.isEmpty && answer.secrets.isEmpty)
        #expect(!answer.json.encoded().contains("s3cret"))
    }

    @Test func bytesThatAreNoTextAreExit2() async throws {
        #expect(await answer([0x22, 0xFF, 0x22]).exitStatus == 2)
        #expect(await answer([0x7B, 0x00, 0x7D]).exitStatus == 2)
    }

    @Test func deepNestingIsExit2() async throws {
        let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
        let answer = await answer([UInt8]("{\"schema\":\(deep)}".utf8))
        #expect(answer.exitStatus == 2)
        #expect(answer.error?.message.contains("nested deeper") == true)
    }

    @Test(arguments: wrongFields)
    func wrongFieldsNameTheirPath(field: String, value: JSONValue) async throws {
        let answer = await answer(context([field: value]).encodedBytes())
        #expect(answer.exitStatus == 2)
        #expect(answer.error?.message.hasPrefix(field) == true, "\(String(describing: answer.error))")
        #expect(answer.requestID == (field == "request_id" ? nil : "req-1"))
        #expect(answer.workspace == (field == "workspace" ? nil : "acme"))
        #expect(!answer.json.encoded().contains("s3cret"))
    }

    // MARK: Reading

    private func read(_ write: @escaping @Sendable (Int32) -> Void) async throws -> Result<[UInt8], InputFailure> {
        // A writer whose reader has gone must not take the test with it.
        signal(SIGPIPE, SIG_IGN)
        var pipe: [Int32] = [-1, -1]
        try #require(Glibc.pipe(&pipe) == 0)
        let (reading, writing) = (pipe[0], pipe[1])
        async let written: Void = onOwnThread {
            write(writing)
            close(writing)
        }
        let result = await readContext(from: reading)
        close(reading)
        await written
        return result
    }

    @Test func stdinIsReadToItsEnd() async throws {
        let result = try await read { descriptor in
            for _ in 0..<16 { _ = Glibc.write(descriptor, [UInt8](repeating: 65, count: 65536), 65536) }
        }
        #expect(try result.get().count == contextSizeLimit)
        #expect(try await read { _ in }.get().isEmpty)
    }

    @Test func stdinBeyondTheLimitIsLeft() async throws {
        let result = try await read { descriptor in
            var sent = 0
            while sent < 2 << 20, Glibc.write(descriptor, [UInt8](repeating: 65, count: 65536), 65536) > 0 {
                sent += 65536
            }
        }
        #expect(result == .failure(.tooLarge))
        let answer = await Integrate(IntegrateOptions(), environment: [:]).run(result).answer
        #expect(answer.exitStatus == 2)
        #expect(answer.error?.message == "stdin: holds more than 1 MiB")
    }

    @Test func stdinThatDoesNotEndIsLeft() async throws {
        let pipe = try FileDescriptor.Pipe()
        var byte = UInt8(ascii: "{")
        _ = Glibc.write(pipe.write.raw, &byte, 1)
        let result = await readContext(from: pipe.read.raw, deadline: .milliseconds(100))
        #expect(result == .failure(.tooSlow))
    }

    @Test func aDescriptorThatCannotBeReadIsAnAnswer() async throws {
        let result = await readContext(from: -1, deadline: .milliseconds(200))
        guard case .failure = result else {
            Issue.record("\(result)")
            return
        }
        #expect(await Integrate(IntegrateOptions(), environment: [:]).run(result).answer.exitStatus == 2)
    }
}
