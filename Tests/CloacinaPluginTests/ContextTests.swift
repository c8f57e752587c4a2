import Foundation
import LianTestSupport
import Testing

@testable import CloacinaPlugin

@Suite struct ContextTests {
    @Test(arguments: [
        ("{}", "{}"),
        (
            " { \"b\" : [ 1 , -2 , true , false , null ] ,\n\t\"a\" : { } }\r\n",
            #"{"a":{},"b":[1,-2,true,false,null]}"#
        ),
        (#"{"a":1,"a":2}"#, #"{"a":2}"#),
        // Numbers stay what they were.
        (
            #"{"a":18446744073709551615,"b":-9223372036854775808}"#,
            #"{"a":18446744073709551615,"b":-9223372036854775808}"#
        ),
        (#"{"a":1.0,"b":1e3,"c":-0,"d":0.1,"e":5e-324}"#, #"{"a":1.0,"b":1000.0,"c":-0.0,"d":0.1,"e":5e-324}"#),
        (#"{"a":18446744073709551616}"#, #"{"a":1.8446744073709552e+19}"#),
        (
            #"{"a":"\"\\\/\b\f\n\r\t\u0000\u001f\u007f\u00e9\ud83d\ude00"}"#,
            "{\"a\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u{7F}é😀\"}"
        ),
        // Two spellings of one letter are two keys, and the bytes give the order.
        ("{\"e\u{301}\":1,\"\u{e9}\":2,\"z\":3}", "{\"e\u{301}\":1,\"z\":3,\"\u{e9}\":2}"),
    ])
    func isWrittenAsItWasRead(text: String, expected: String) throws {
        let written = ContextWriter.write(try ContextReader.read(text))
        #expect(written.utf8.elementsEqual(expected.utf8), "\(written)")
        #expect(ContextWriter.write(try ContextReader.read(written)) == written)
    }

    @Test(arguments: [
        "", "[]", "1", "null", "{", "{}}", "{} x", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}",
        "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":1.}", "{\"a\":1e}",
        "{\"a\":-}", "{\"a\":1e400}", "{\"a\":NaN}", "{\"a\":tru}", "{\"a\":\"", "{\"a\":\"\\", "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\n\"}", "\u{FEFF}{}",
    ])
    func whatIsNoContextIsRefused(text: String) {
        #expect(throws: ContextReader.Failure.self) { try ContextReader.read(text) }
    }

    @Test func depthHasAnEnd() throws {
        func nested(_ depth: Int) -> String {
            "{\"a\":" + String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1) + "}"
        }
        _ = try ContextReader.read(nested(128))
        #expect(throws: ContextReader.Failure.self) { try ContextReader.read(nested(129)) }
        #expect(throws: ContextReader.Failure.self) {
            try ContextReader.read(String(repeating: "{\"a\":", count: 1_000_000))
        }
    }

    @Test func numbersThatJSONHasNotAreNull() {
        #expect(ContextWriter.write(["a": .double(.infinity), "b": .double(.nan)]) == #"{"a":null,"b":null}"#)
    }

    @Test func valuesAreReadAsWhatTheyAre() throws {
        var context = try ContextReader.read(
            #"{"b":true,"i":2,"u":18446744073709551615,"s":"x","l":[1],"o":{"k":null}}"#)
        #expect(context["b"]?.boolean == true)
        #expect(context["i"]?.integer == 2 && context["i"]?.double == 2)
        #expect(context["u"]?.integer == nil && context["u"]?.double == 0x1p64)
        #expect(context["s"]?.string == "x" && context["s"]?.integer == nil)
        #expect(context["l"]?.array == [1])
        #expect(context["o"]?.object?["k"] == .null)
        context["s"] = nil
        #expect(context.keys == ["b", "i", "l", "o", "u"])
    }

    /// Foundation's reader is another's: it finds the same in what was read and in what was written.
    @Test func agreesWithFoundation() throws {
        for seed in 0..<UInt64(500) {
            var random = SeededGenerator(seed: seed)
            let text = object(&random, depth: 0)
            let written = ContextWriter.write(try ContextReader.read(text))
            #expect(try foundation(written) == (try foundation(text)), "\(text)")
        }
    }

    private func foundation(_ text: String) throws -> NSDictionary? {
        try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary
    }

    private func object(_ random: inout SeededGenerator, depth: Int) -> String {
        let space = random.pick(["", " ", "\n\t"])
        let members = (0..<Int.random(in: 0...4, using: &random)).map { number in
            "\(space)\"k\(number)\(random.pick(Self.text))\"\(space):\(value(&random, depth: depth + 1))"
        }
        return "{\(members.joined(separator: ","))\(space)}"
    }

    private func value(_ random: inout SeededGenerator, depth: Int) -> String {
        switch Int.random(in: 0..<(depth < 4 ? 5 : 3), using: &random) {
        case 0: return random.pick(["null", "true", "false"])
        case 1: return random.pick(["0", "-1", "1.5", "-2.5e-3", "1E+2", "123456789012", "0.1", "7e0"])
        case 2: return "\"\(random.pick(Self.text))\(random.pick(Self.text))\""
        case 3: return object(&random, depth: depth)
        default:
            let count = Int.random(in: 0...3, using: &random)
            return "[\((0..<count).map { _ in value(&random, depth: depth + 1) }.joined(separator: " , "))]"
        }
    }

    private static let text = ["", "a", "é", "\\u00e9", "\\ud83d\\ude00", "😀", "\\n", "\\\"", "\\\\", "\\/", "\\u0001"]
}
