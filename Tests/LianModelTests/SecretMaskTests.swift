import LianModel
import LianTestSupport
import Testing

@Suite struct SecretMaskTests {
    private func mask(_ secrets: String...) -> SecretMask { SecretMask(secrets) }

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
        #expect(expected == "start *** aa*** ***-hus *** end ***")
        var random = SeededGenerator(seed: 3)
        for _ in 0..<500 {
            var stream = mask("aaab", "hush-hush").stream()
            var shown: [UInt8] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...7, using: &random))
                rest = rest.dropFirst(piece.count)
                shown += stream.masked(Array(piece))
            }
            shown += stream.finish()
            #expect(String(decoding: shown, as: UTF8.self) == expected)
        }
    }

    /// Each byte of each of them is hidden, whichever of them began first.
    @Test func secretsThatOverlapAreHiddenWhole() {
        #expect(mask("abcdef", "defghi").masked("xabcdefghiy") == "x***y")
        #expect(mask("bcde", "abcdefgh").masked("abcdefg abcdefgh") == "a***fg ***")
        #expect(mask("hush").masked("hushhush hush") == "*** ***")
    }

    @Test func aShorterOneWaitsForTheLongerThatItBegins() {
        var stream = mask("hush", "hush-hush").stream()
        #expect(stream.masked(Array("a hush-".utf8)) == Array("a ".utf8))
        #expect(stream.masked(Array("hus".utf8)) == [])
        #expect(stream.masked(Array("h b hush".utf8)) == Array("*** b ".utf8))
        #expect(stream.masked(Array("! ".utf8)) == Array("***! ".utf8))
        #expect(stream.masked(Array("hush".utf8)) == [])
        #expect(stream.finish() == Array("***".utf8))
        #expect(stream.masked(Array("hush".utf8)) + stream.finish() == Array("***".utf8))
    }

    @Test func aLineThatIsCutWithinOneShowsNothingOfIt() {
        let mask = mask("https://hush.example/hush")
        #expect(mask.masked("at https://hush.ex\nat https:/\nat https://hush.example") == "at ***\nat https:/\nat ***")
    }

    /// Others have decoded it before, or written it as JSON does.
    @Test func otherFormsAreHidden() {
        let binary: [UInt8] = [0xFF, 0xFE] + Array("readable part".utf8) + [0x80] + Array("short".utf8)
        let masked = SecretMask([binary]).masked("a \(String(decoding: binary, as: UTF8.self)) b")
        #expect(masked == "a \u{FFFD}\u{FFFD}***\u{FFFD}short b")
        #expect(Array(SecretMask([binary]).masked([1] + binary + [2])) == [1] + Array("***".utf8) + [2])
        #expect(mask(#"say "hush" \ twice"#).masked(#""say \"hush\" \\ twice""#) == #""***""#)
    }

    @Test func aLineIsHiddenWithoutTheWhiteSpaceAroundIt() {
        #expect(mask("  hush-hush\t\n").masked("a hush-hush b") == "a *** b")
        #expect(mask("  abc").masked("abc") == "abc")
    }

    /// As in a file of NAME=VALUE, or of NAME: VALUE.
    @Test func whatALineGivesANameToIsHidden() {
        #expect(mask("TOKEN=hush=hush\nlogin: hush-hush ").masked("x hush=hush, hush-hush") == "x ***, ***")
        #expect(mask("TOKEN=7 bytes").masked("7 bytes TOKEN=7 bytes") == "7 bytes ***")
        #expect(mask("a:b=hush-hush").masked("b=hush-hush hush-hush") == "*** hush-hush")
    }

    @Test func withoutSecretsNothingIsHeldBack() {
        var stream = SecretMask.none.stream()
        #expect(stream.masked([1, 2, 3]) == [1, 2, 3])
        #expect(stream.finish() == [])
    }

    /// `scripts/fuzz` runs more.
    @Test func noRunOfEightBytesIsShown() throws {
        try fuzzSecrets(seed: 7, count: 60)
    }
}
