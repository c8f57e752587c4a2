import LianModel
import Testing

@Suite struct ShellQuotingTests {
    @Test(arguments: [
        ("", "''"), ("a b$(c)\n", "'a b$(c)\n'"), ("it's", #"'it'\''s'"#), ("'", #"''\'''"#),
        // One Character, and more bytes than one for a shell.
        ("a'\u{301}b", "'a'\\''\u{301}b'"),
    ])
    func oneWordOfAShell(_ text: String, _ word: String) {
        #expect(Array(shellQuoted(text).utf8) == Array(word.utf8))
    }
}
