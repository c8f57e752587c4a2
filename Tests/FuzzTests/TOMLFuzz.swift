import LianCloacina
import LianTestSupport
import Testing

/// TOML that was written, generated and bent, in a process that a trap may end.
@Suite struct TOMLFuzzTests {
    @Test func documents() async {
        await #expect(processExitsWith: .success) { try feed(TOMLFuzz.document) }
    }
}

private enum TOMLFuzz {
    static func document(_ random: inout SeededGenerator) throws {
        var text = random.oneIn(2) ? TOMLDocuments.generated(&random) : random.pick(written)
        if random.oneIn(4) { text += "\n" + random.pick(written) }
        let bytes = random.oneIn(3) ? bent(Array(text.utf8), &random) : mutated(Array(text.utf8), &random)
        let table: TOMLTable
        do throws(TOMLError) {
            table = try parseTOML(bytes)
        } catch {
            guard error.line > 0, error.column > 0, !error.message.isEmpty else {
                throw FuzzFailure(description: "\(String(decoding: bytes, as: UTF8.self)) gave \(error)")
            }
            return
        }
        guard table.keys.allSatisfy({ table[$0] != nil }) else {
            throw FuzzFailure(description: "\(String(decoding: bytes, as: UTF8.self)) lost a key")
        }
    }

    private static let written = TOMLDocuments.written
}
