import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianCloacina

@Suite struct TOMLTests {
    @Test func agreesWithTomllibOnWhatIsWritten() async throws {
        try await expectAgreement(TOMLDocuments.written.map { Array($0.utf8) })
    }

    @Test func agreesWithTomllibOnWhatIsGenerated() async throws {
        var random = SeededGenerator(seed: 20)
        try await expectAgreement((0..<3000).map { _ in Array(TOMLDocuments.generated(&random).utf8) })
    }

    @Test func agreesWithTomllibOnWhatIsBent() async throws {
        var random = SeededGenerator(seed: 21)
        let written = TOMLDocuments.written
        try await expectAgreement((0..<2000).map { _ in mutated(Array(random.pick(written).utf8), &random) })
    }

    @Test func agreesWithTomllibOnDepth() async throws {
        func times(_ depth: Int, _ text: String) -> String { String(repeating: text, count: depth) }
        let nests = [62, 63, 64, 65, 500].flatMap { (depth: Int) -> [String] in
            let path = "a" + times(depth - 1, ".a")
            return [
                "x = \(times(depth, "["))\(times(depth, "]"))", "x = \(times(depth, "{a="))1\(times(depth, "}"))",
                "[\(path)]\nb = 1", "[[\(path)]]\nb = [{}]", "\(path) = []", "x = {\(path) = {}}",
            ]
        }
        try await expectAgreement(nests.map { Array($0.utf8) })
    }

    @Test(arguments: [
        "a = 1\nb 2": "2:3 '=' is missing after a key",
        "é = 1": "1:1 a key should stand here, of A-Z a-z 0-9 - _ or in quotes",
        "\"é\" = hello": "1:7 no value starts here; a text needs quotes",
        "a = 1\n[b]\n\"a\" = 1\na = 2": "4:1 this key already has a value",
        "[a]\n[a]": "2:1 this table is defined twice, or its name already has another value",
        "a = \"\n": "1:5 a text in quotes is not closed",
        "a = [1\r\nb = 2": "2:1 ',' or ']' is missing in an array",
        "a = 9223372036854775808": "1:5 a whole number is out of range: 64 bits, with a sign",
        "a = 2023-02-29": "1:5 this day does not exist",
    ])
    func saysWhatIsWrongAndWhere(document: String, expected: String) {
        let error = #expect(throws: TOMLError.self) { try parseTOML(Array(document.utf8)) }
        #expect(error.map { "\($0.line):\($0.column) \($0.message)" } == expected)
    }

    @Test func saysWhereTheTextIsNoUTF8() {
        let error = #expect(throws: TOMLError.self) { try parseTOML(Array("a = 1\nb = \"é".utf8) + [0xFF, 0x22]) }
        #expect(error == TOMLError(message: "the text is not valid UTF-8", line: 2, column: 7))
    }

    @Test func keepsTheAuthorsOrderAndAddsLast() throws {
        var table = try parseTOML(Array("b = 1\na.y = 2\nc = 3\n[a.x]\n".utf8))
        table["z"] = .boolean(true)
        table["b"] = .string("again")
        table["c"] = nil
        #expect(table.keys == ["b", "a", "z"])
        #expect(table["b"] == .string("again"))
    }

    @Test func readsAMebibyteAndNoMore() throws {
        let line = Array("[[a]]\n".utf8)
        let whole = Array(Array(repeating: line, count: (1 << 20) / line.count).joined())
        let read = try parseTOML(whole)
        guard case .array(let items) = read["a"] else {
            Issue.record("no array")
            return
        }
        #expect(items.count == whole.count / line.count)
        #expect(throws: TOMLError(message: "the file is larger than 1048576 bytes", line: 1, column: 1)) {
            try parseTOML(whole + line)
        }
    }

    /// Both accept and refuse the same, and where they accept, they read the same values in the same order.
    private func expectAgreement(_ documents: [[UInt8]]) async throws {
        let cases = documents.map { document -> JSONValue in
            [
                "document": .string(hexadecimal(document)),
                "value": (try? parseTOML(document)).map { told(.table($0)) } ?? .null,
            ]
        }
        let result = try await LianSystem.run(
            Command(
                "/usr/bin/env", ["python3", Project.root.appending(path: "Tests/Fixtures/toml_peer.py").path],
                environment: ProcessInfo.processInfo.environment),
            input: .bytes(JSONValue.array(cases).encodedBytes()), deadline: .seconds(300))
        try #require(result.termination.isSuccess, "\(result.errorText)")
        let answer = try JSONValue.parse(result.output)
        let differences = try #require(answer["differences"]?.arrayValue)
        #expect(differences.isEmpty, "\(differences.prefix(5).map { $0.encoded() }.joined(separator: "\n"))")
        // Documents that are all right or all wrong would prove nothing.
        let accepted = try #require(answer["accepted"]?.intValue)
        #expect(accepted > documents.count / 40 && accepted < documents.count * 9 / 10)
    }

    private func told(_ value: TOMLValue) -> JSONValue {
        switch value {
        case .string(let text): ["string": .string(text)]
        case .integer(let number): ["integer": .string(String(number))]
        case .float(let number): ["float": .string(number.isNaN ? "nan" : String(number.bitPattern))]
        case .boolean(let flag): ["boolean": .bool(flag)]
        case .dateTime(let text): ["dateTime": .string(text)]
        case .array(let items): ["array": .array(items.map(told))]
        case .table(let table):
            ["table": .array(table.keys.map { [.string($0), table[$0].map(told) ?? .null] })]
        }
    }
}
