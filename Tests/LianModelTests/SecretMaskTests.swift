import LianModel
import LianTestSupport
import Testing

@Suite struct SecretMaskTests {
    private func mask(_ secrets: String...) -> SecretMask { SecretMask(secrets.map { Array($0.utf8) }) }

    @Test func valuesAreTakenOutOfText() {
        #expect(mask("hush-hush").masked("a hush-hush b hush-hush") == "a *** b ***")
        #expect(mask("hush", "hush-hush").masked("hush-hush hush") == "*** ***")
        #expect(mask("line one\nline two\r\nend").masked("x line two, end") == "x ***, end")
        #expect(mask("abc", "").masked("abc") == "abc")
    }

    /// However the text is cut, what is shown is the same, and nothing is lost.
    @Test func piecesMakeNoDifference() {
        let text = "start aaab aaaaab hush-hush-hus hush-hushaaab end hush-hus"
        let expected = mask("aaab", "hush-hush").masked(text)
        #expect(!expected.contains("aaab") && !expected.contains("hush-hush"))
        var random = SeededGenerator(seed: 3)
        for _ in 0..<500 {
            var mask = mask("aaab", "hush-hush")
            var shown: [UInt8] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...7, using: &random))
                rest = rest.dropFirst(piece.count)
                shown += mask.mask(Array(piece))
            }
            shown += mask.finish()
            #expect(String(decoding: shown, as: UTF8.self) == expected)
        }
    }

    @Test func withoutSecretsNothingIsHeldBack() {
        var mask = SecretMask([])
        #expect(mask.mask([1, 2, 3]) == [1, 2, 3])
        #expect(mask.finish() == [])
    }
}
