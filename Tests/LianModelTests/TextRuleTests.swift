import LianModel
import LianTestSupport
import Testing

/// The decoder's rules of texts, over their table. PeerTests holds the evaluator's by the same one.
@Suite struct TextRuleTests {
    @Test func theTableHasEachRule() throws {
        #expect(Set(try TextRuleTable.samples().map(\.rule)) == Set(TextRuleTable.rules.keys))
    }

    @Test func theDecoderAgreesWithTheTable() throws {
        for samples in try TextRuleTable.samples() {
            let rule = try #require(TextRuleTable.rules[samples.rule])
            for text in samples.good { #expect(rule.holds(text), "\(samples.rule): \(text.json.encoded())") }
            for text in samples.bad { #expect(!rule.holds(text), "\(samples.rule): \(text.json.encoded())") }
        }
    }
}
