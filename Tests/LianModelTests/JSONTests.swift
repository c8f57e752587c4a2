import LianModel
import Testing

@Suite struct JSONTests {
    @Test(arguments: [
        #"{"a":[1,2.5,-3,1e3,null,true,false,"x"]}"#: #"{"a":[1,2.5,-3,1000,null,true,false,"x"]}"#,
        #"  "é\u00e9😀\ud83d\ude00\/\b" "#: "\"éé😀😀/\\u0008\"",
        #"{"b":1,"a":{}}"#: #"{"a":{},"b":1}"#,
        "9223372036854775807": "9223372036854775807",
        "4.0": "4",
    ])
    func readsAndWrites(text: String, canonical: String) throws {
        #expect(try JSONValue.parse(text).encoded() == canonical)
    }

    @Test(arguments: [
        "": "line 1, column 1: the text is empty",
        "{\"a\":1,\n\"a\":2}": "line 2, column 6: a record's key stands here twice",
        "[1,]": "line 1, column 4: no value starts with this character",
        "01": "line 1, column 3: this is no JSON number",
        "1 2": "line 1, column 3: something follows the value",
        "\"\\ud800\"": "line 1, column 8: half a surrogate pair stands alone",
        "\"\\udc00\"": "line 1, column 8: half a surrogate pair stands alone",
        "\"a\nb\"": "line 1, column 3: a control character stands bare in a string",
        "\"abc": "line 1, column 5: a string is not closed",
        "1e999": "line 1, column 6: a number is out of range",
        "nul": "line 1, column 1: this is no JSON value",
        "\"\\u00e\"": "line 1, column 4: a \\u escape needs four hex digits",
    ])
    func refuses(text: String, message: String) {
        let error = #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(text) }
        #expect(error?.description == message)
    }

    @Test func refusesInvalidUTF8() {
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse([0x22, 0xFF, 0x22]) }
    }

    @Test func nestingIsBounded() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSONValue.parse(nested(JSONValue.maximumDepth))
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(nested(JSONValue.maximumDepth + 1)) }
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(nested(1_000_000)) }
    }

    @Test func violationsNameTheirPlace() throws {
        let node = JSONNode(try .parse(#"{"artifacts":[{"nmae":1}]}"#))
        var record = try node.record()
        let item = try #require(try record.required("artifacts").items().first)
        var artifact = try item.record()
        _ = try artifact.optional("name")
        let error = #expect(throws: SchemaViolation.self) { try artifact.close() }
        #expect(
            error?.description == "artifacts[0].nmae: is not a field of this record; did you mean 'name'?")
    }

    @Test(arguments: [
        ("imgae", "image"), ("--contxt", "--context"), ("workspce", "workspace"),
    ])
    func nearest(typed: String, meant: String) {
        #expect(nearestName(to: typed, among: ["image", "--context", "workspace", "name"]) == meant)
    }

    /// What was written is a part of the name that was meant, or holds it.
    @Test(arguments: [
        ("--cach", "--cache-from"), ("--nats", "--nats-url"), ("--url", "--nats-url"), ("--ca", "--nats-ca"),
        ("--memory", "--memory-gb"), ("memory", "--memory-gb"), ("cache_policy", "cache"), ("my-image", "image"),
        ("time_budget_minutes", "time_budget_min"), ("budget", "time_budget_min"),
    ])
    func nearestByItsParts(typed: String, meant: String) {
        let names = [
            "image", "cache", "time_budget_min", "--cache-from", "--cache-to", "--memory-gb", "--nats-url", "--nats-ca",
        ]
        let known = typed.hasPrefix("--") ? names.filter { $0.hasPrefix("--") } : names
        #expect(nearestName(to: typed, among: known) == meant)
    }

    @Test func farNamesAreNotSuggested() {
        for typed in ["-", "--", "__", "im", "mag", "my-im", "a-mage-of"] {
            #expect(nearestName(to: typed, among: ["images", "--nats-url"]) == nil, "\(typed)")
        }
        #expect(nearestName(to: "zebra", among: ["image", "name"]) == nil)
        #expect(nearestName(to: "", among: ["image"]) == nil)
        #expect(nearestName(to: String(repeating: "x", count: 100_000), among: ["image"]) == nil)
    }
}
