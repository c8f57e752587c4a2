import Foundation
import LianModel
import LianTestSupport
import Testing

/// The rules of texts, as the evaluator has them: those of the decoder, on the table and on generated texts.
@Suite struct DirectivesTextRuleTests {
    /// What the evaluator says of each text, by the name of the rule.
    private func verdicts(_ texts: [String: [String]]) async throws -> [String: [Bool]] {
        let answer = try await withTemporaryFolder { folder in
            try Data(texts.json.encodedBytes()).write(to: folder.appending(path: "texts.json"))
            return try await nickelExport(
                """
                let rules = (import "rules.ncl").text_rules in
                (import "texts.json") |> std.record.map (fun name texts => std.array.map rules."%{name}".holds texts)
                """, named: "texts.ncl", in: folder)
        }
        let value = try #require(answer.value, "\(answer.diagnostic)")
        return try #require(value.objectValue).mapValues { try #require($0.arrayValue).compactMap(\.boolValue) }
    }

    @Test func bothHaveTheSameRulesInTheSameWords() async throws {
        let answer = try await withTemporaryFolder { folder in
            try await nickelExport(
                "(import \"rules.ncl\").text_rules |> std.record.map_values (fun rule => rule.sentence)",
                named: "rules.ncl.ncl", in: folder)
        }
        let value = try #require(answer.value, "\(answer.diagnostic)")
        #expect(value == TextRuleTable.rules.mapValues { JSONValue.string($0.sentence) }.asObject)
    }

    @Test func theEvaluatorAgreesWithTheTable() async throws {
        let table = try TextRuleTable.samples()
        let verdicts = try await verdicts(Dictionary(uniqueKeysWithValues: table.map { ($0.rule, $0.good + $0.bad) }))
        for samples in table {
            let expected = samples.good.map { _ in true } + samples.bad.map { _ in false }
            #expect(verdicts[samples.rule] == expected, "\(samples.rule)")
        }
    }

    @Test func bothAgreeOnGeneratedTexts() async throws {
        var random = SeededGenerator(seed: 20)
        var texts: [String: [String]] = [:]
        for samples in try TextRuleTable.samples() {
            texts[samples.rule] = (0..<400).map { round in
                var text = round % 4 == 0 ? "" : samples.good.randomElement(using: &random) ?? ""
                for _ in 0..<Int.random(in: 1...3, using: &random) { text.mutate(using: &random) }
                return text
            }
        }
        for (name, verdicts) in try await verdicts(texts) {
            let rule = try #require(TextRuleTable.rules[name])
            let texts = try #require(texts[name])
            #expect(verdicts.count == texts.count)
            for (text, verdict) in zip(texts, verdicts) {
                #expect(rule.holds(text) == verdict, "\(name): \(text.json.encoded())")
            }
            // A generator that only ever hits one side would prove nothing.
            #expect(Set(verdicts).count == 2, "\(name)")
        }
    }
}

extension DirectivesTextRuleTests {
    @Test func bothSuggestTheSameName() async throws {
        let known = [
            "image", "images", "context", "contexts", "name", "tags", "no_cache", "a", "memory_gb", "time_budget_min",
            "build_args", "--nats-url", "--nats-ca",
        ]
        var random = SeededGenerator(seed: 7)
        let parts = [
            "memory", "time_budget", "time_budget_minutes", "--nats", "nats", "args", "budget", "image_name", "cache",
            "cache_policy", "my.tags", "--", "_", "", "no", "mem", "me", "memöry", "memory_gb_é", "e\u{308}_args",
            "\r\nargs", "conte", "GB", "gb",
        ]
        let typed =
            parts
            + (0..<24).map { _ in
                var letters = Array((known.randomElement(using: &random) ?? "").utf8)
                for _ in 0..<Int.random(in: 0...4, using: &random) {
                    let place = Int.random(in: 0...letters.count, using: &random)
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: letters.insert(UInt8(ascii: "e"), at: place)
                    case 1 where place + 1 < letters.count: letters.swapAt(place, place + 1)
                    case _ where place < letters.count: letters.remove(at: place)
                    default: letters.append(UInt8(ascii: "x"))
                    }
                }
                return String(decoding: letters, as: UTF8.self)
            }
        let answer = try await withTemporaryFolder { folder in
            try Data((["known": known, "typed": typed] as [String: [String]]).json.encodedBytes())
                .write(to: folder.appending(path: "names.json"))
            return try await nickelExport(
                """
                let names = import "names.json" in
                std.array.map ((import "nearest_name.ncl").suggestion names.known) names.typed
                """, named: "names.ncl", in: folder)
        }
        let suggestions = try #require(answer.value?.arrayValue, "\(answer.diagnostic)")
        #expect(suggestions.count == typed.count)
        for (typed, suggestion) in zip(typed, suggestions) {
            let nearest = nearestName(to: typed, among: known).map { "; did you mean '\($0)'?" } ?? ""
            #expect(suggestion.stringValue == nearest, "\(typed)")
        }
        #expect(Set(suggestions.compactMap(\.stringValue)).count > 3)
    }
}

extension [String: JSONValue] {
    fileprivate var asObject: JSONValue { .object(self) }
}

extension String {
    private static let fragments = [
        "a", "Z", "0", "9", "-", "--", "_", "__", "___", ".", "..", "/", "//", "/../", ":", "@", "#", "=", "~", "%",
        "?", "*",
        " ", "\t", "\n", "\r\n", "\u{0}", "\u{1f}", "\u{7f}", "\u{85}", "\u{2028}", "é", "e\u{308}", "\u{308}",
        "\u{200d}",
        "\u{212a}", "１", "ß", "👩‍👧", "[", "]", "[::1]", "localhost", "reg.example", "reg", ":5000", ":0", ":65535",
        ":65536",
        ":080", ":tag", "@sha256:\(String(repeating: "0a", count: 32))",
        "@sha512:\(String(repeating: "f", count: 128))",
        "docker-image://", "http://", "https://", "nats://", "tls://", "a/b#c", "#d", "linux/amd64",
        String(repeating: "a", count: 64), String(repeating: "b", count: 127),
    ]

    /// Puts a fragment somewhere in, or takes a few scalars out.
    fileprivate mutating func mutate(using random: inout some RandomNumberGenerator) {
        var scalars = Array(unicodeScalars)
        let place = Int.random(in: 0...scalars.count, using: &random)
        if Bool.random(using: &random) || scalars.isEmpty {
            scalars.insert(
                contentsOf: Array(Self.fragments.randomElement(using: &random)?.unicodeScalars ?? "".unicodeScalars),
                at: place)
        } else {
            scalars.removeSubrange(place..<min(scalars.count, place + Int.random(in: 0...3, using: &random)))
        }
        self = String(String.UnicodeScalarView(scalars))
    }
}
