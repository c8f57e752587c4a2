import LianContext
import LianModel
import Testing

/// Names against rules, as BuildKit from v0.10 on decides.
@Suite struct IgnoreRulesTests {
    /// Whether a name is excluded, its folders asked first as the walk does.
    private func isExcluded(_ path: String, by file: String, generation: BuildKitGeneration = .current) throws -> Bool {
        let matcher = IgnoreMatcher(try IgnoreRules(parsing: Array(file.utf8), name: ".dockerignore"))
        if generation == .beforeV010 {
            return Array(path.utf8).withUnsafeBufferPointer { matcher.excludesBeforeV010($0) }
        }
        var matches = matcher.matchesAtRoot
        var folder = ""
        for component in path.split(separator: "/").dropLast() {
            folder += folder.isEmpty ? "\(component)" : "/\(component)"
            matches = Array(folder.utf8).withUnsafeBufferPointer { matcher.excludesFolder($0, in: matches).matches }
        }
        return Array(path.utf8).withUnsafeBufferPointer { matcher.excludes($0, in: matches) }
    }

    static let cases: [(file: String, excluded: [String], kept: [String])] = [
        ("", [], ["a"]),
        // Plain names are paths from the root, and take what is in them along.
        ("foo", ["foo", "foo/x", "foo/x/y"], ["a/foo", "food", "fo"]),
        ("/foo/", ["foo"], ["a/foo"]),
        ("./a//b/../c/", ["a/c", "a/c/d"], ["a", "a/b"]),
        ("..\n../foo\n.\n/", [], ["foo", "a"]),
        // Stars.
        ("*.md", ["a.md", ".md"], ["d/a.md", "a.md5"]),
        ("*/*.md", ["d/a.md"], ["a.md", "d/e/a.md"]),
        ("d?c", ["doc", "dac"], ["dc", "d/c", "dooc"]),
        ("?", ["é", "日"], ["ab"]),
        ("**", ["a", "a/b"], []),
        ("**/*.md", ["a.md", "d/a.md", "d/e/a.md"], ["a.mdx"]),
        ("**/foo", ["foo", "a/foo", "a/b/foo", "a/foo/c"], ["a/xfoo"]),
        ("**foo", ["foo", "xfoo", "a/xfoo"], ["foox"]),
        ("foo/**", ["foo/a", "foo/a/b"], ["foo", "foox"]),
        ("foo**", ["foo", "foox", "foo/a"], ["xfoo"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a**b", ["ab", "ax/b", "a/x/b"], ["axb"]),
        ("***", ["a", "a/b"], []),
        // Classes: what Docker reads there are those of Go's expressions, with a slash in those that leave out.
        ("[a-c]x", ["ax", "cx"], ["dx"]),
        ("[^a]x", ["bx"], ["ax", "d/x"]),
        ("a[^b]c", ["adc", "a/c"], ["abc"]),
        ("[[:digit:]]", ["1"], ["a", "[", ":"]),
        ("[a\\]]x", ["ax", "]x"], ["bx"]),
        // Backslashes.
        ("\\#x\n\\!y\na\\*b", ["#x", "!y", "a*b"], ["axb"]),
        ("\\d", ["7"], ["d"]),
        ("\\x41", ["A"], ["x41"]),
        // Characters that mean something to expressions.
        ("c++", ["c++"], ["ccc"]),
        ("(a)*", ["(a)", "(a)b"], ["a"]),
        ("a.b*", ["a.b", "a.bc"], ["axb"]),
        ("*.{js,ts}", ["x.{js,ts}"], ["x.js"]),
        ("a{2}", ["a{2}"], ["aa"]),
        ("a{2}?", ["aab"], ["a{2}b", "a"]),
        ("a|b", ["a|b"], ["a", "b"]),
        ("a|b?", ["a", "ax", "xbz"], ["c", "xb"]),
        ("^a", ["^a"], ["a"]),
        ("\\Qa*", ["a[^/]*$", "a[^/]*$b"], ["a*", "ab"]),
        ("\\pL", ["a", "é"], ["1", "ab"]),
        // Between the bytes of a character there is no place for Go.
        ("x|\\B|y?", ["ab", "é", "xb"], ["a", "aéb"]),
        ("x|\\B|\\Qb", ["ab"], ["aéb"]),
        // Order: the last one decides, but for what a pattern did to a folder.
        ("*.md\n!README.md", ["a.md"], ["README.md"]),
        ("!README.md\n*.md", ["README.md"], []),
        ("*\n!src", ["a", "doc/b"], ["src", "src/x"]),
        ("src\n!src/keep\nsrc/keep/not", ["src/a", "src/keep/not"], ["src/keep", "src/keep/x"]),
        ("**\n!**/*.go", ["a", "d/a.c"], ["a.go", "d/e/a.go"]),
        ("**/node_modules\n!a/b/node_modules/keep", ["a/b/node_modules/x"], ["a/b/node_modules/keep"]),
        ("a/b\n!a", ["a/b", "a/b/c"], ["a/d"]),
        // Lines.
        ("\u{FEFF}foo\r\nbar\r\n", ["foo", "bar"], ["a"]),
        ("  foo \t\n\u{A0}bar\u{2003}\n", ["foo", "bar"], ["a"]),
        ("#foo\n #bar\n\n   \n", ["#bar"], ["#foo", "foo"]),
        ("*\n!  foo", ["a"], ["foo"]),
        ("*\n!/foo/", ["a"], ["foo"]),
        ("*\n/!foo", ["a"], ["foo"]),
        ("/#foo", ["#foo"], ["foo"]),
        ("foo\u{85}", ["foo"], []),
        ("new", [], ["new\nline"]),
        ("**/*.log\n?", ["a\nb.log", "\n"], ["a\nb/c.log"]),
    ]

    @Test(arguments: cases) func dockersRules(file: String, excluded: [String], kept: [String]) throws {
        for path in excluded { #expect(try isExcluded(path, by: file), "\(path)") }
        for path in kept { #expect(try !isExcluded(path, by: file), "\(path)") }
    }

    /// What Docker 20.10 reads otherwise.
    @Test func theGenerationBeforeV010() throws {
        for (file, path, current, older) in [
            ("(a)", "a", false, true), ("(a)", "(a)", true, false), ("a{2}", "aa", false, true),
            ("**/foo", "x\ny/foo", true, false),
            ("**/m\n!a/b/m/keep", "a/b/m/x", true, false), ("**foo", "xfoo", true, false),
        ] {
            #expect(try isExcluded(path, by: file) == current, "\(file) \(path)")
            #expect(try isExcluded(path, by: file, generation: .beforeV010) == older, "\(file) \(path)")
        }
    }

    /// Go multiplies repetitions that are nested, and takes no more than a thousand. Only to the older generation are
    /// these parentheses and braces more than a name.
    @Test(.timeLimit(.minutes(1)), arguments: ["((((){1000}){1000}){1000}){1000}", "((a{40}){40})"])
    func repetitionsMultiplyWhereTheyAreNested(pattern: String) throws {
        let rules = try IgnoreRules(parsing: Array(pattern.utf8), name: ".dockerignore")
        #expect(!rules.readableBeforeV010)
        #expect(try isExcluded(pattern, by: pattern))
        #expect(try IgnoreRules(parsing: Array("((a{30}){30})".utf8), name: ".dockerignore").readableBeforeV010)
    }

    @Test func bytesThatAreNoText() throws {
        let rules = try IgnoreRules(parsing: [0xFF, UInt8(ascii: "?")], name: ".dockerignore")
        let matcher = IgnoreMatcher(rules)
        for (name, excluded) in [([0xFE, 0x61], true), ([0xFE, 0xE9], true), ([0x61, 0x61], false)] as [([UInt8], Bool)]
        {
            #expect(name.withUnsafeBufferPointer { matcher.excludes($0, in: matcher.matchesAtRoot) } == excluded)
        }
    }

    @Test(arguments: [
        ("a\n[\n", 2), ("\n\n# x\n[a-\n", 4), ("!\n", 1), ("! \n", 1), ("!/", 1), ("a\\", 1), ("[]a]", 1), ("[z-a]", 1),
        ("x\n\\o", 2), ("[[:nope:]]", 1), ("a{2}{3}*", 1), ("*{2}", 1), ("a{1001}?", 1), ("a**{3}", 1),
        ("x|{2}*", 1), ("\\8", 1), ("\\x{110000}", 1), ("\\C", 1), ("a\\C?", 1),
    ])
    func whatIsNoPatternNamesItsLine(file: String, line: Int) throws {
        let error = try #require(
            throws: LianError.self, performing: { try IgnoreRules(parsing: Array(file.utf8), name: "x/.dockerignore") })
        #expect(error.code == .ignoreFileInvalid)
        #expect(error.message.hasPrefix("x/.dockerignore, line \(line): "), "\(error.message)")
        #expect(!error.hint.isEmpty)
    }

    @Test func aLineMayBeLongButNotEndless() throws {
        let longest = [UInt8](repeating: UInt8(ascii: "a"), count: 65535)
        _ = try IgnoreRules(parsing: longest, name: ".dockerignore")
        #expect(throws: LianError.self) { try IgnoreRules(parsing: longest + longest, name: ".dockerignore") }
    }

    /// What Docker would take, each rule for itself: all of them together are bounded.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            ("the pattern is too large", 1, "(\\pL{1000})?", 1), ("too large together", 9, "[^a]{1000}?", 20),
            ("too many patterns", 10001, "a", 10001), ("too many patterns", 2049, "*a", 2049),
        ])
    func rulesMayNotAddUpWithoutEnd(reason: String, line: Int, pattern: String, count: Int) throws {
        let lines = Array(repeating: pattern, count: count)
        let error = try #require(
            throws: LianError.self,
            performing: { try IgnoreRules(parsing: Array(lines.joined(separator: "\n").utf8), name: ".dockerignore") })
        #expect(error.code == .ignoreFileInvalid)
        #expect(error.message.hasPrefix(".dockerignore, line \(line): "), "\(error.message)")
        #expect(error.message.contains(reason), "\(error.message)")
    }

    @Test func manyRulesAreTaken() throws {
        let lines = (0..<2000).map { "**/*.ending\($0)" } + (0..<1000).map { "folder/name\($0)" }
        let rules = try IgnoreRules(parsing: Array(lines.joined(separator: "\n").utf8), name: ".dockerignore")
        let matcher = IgnoreMatcher(rules)
        for (name, excluded) in [("a/b.ending1999", true), ("folder/name999", true), ("a/b.ending", false)] {
            #expect(
                Array(name.utf8).withUnsafeBufferPointer { matcher.excludes($0, in: matcher.matchesAtRoot) } == excluded
            )
        }
    }

    /// Each would keep a backtracking matcher busy for longer than the sun burns.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            String(repeating: "**/", count: 2000) + "x", String(repeating: "*a", count: 200) + "b",
            String(repeating: "[^a]*", count: 500) + "b", String(repeating: "a**", count: 300) + "b",
            String(repeating: "**a", count: 300) + "b", "a{1000}?",
            String(repeating: "**/a*/", count: 200) + "b",
        ])
    func noPatternTakesForEver(pattern: String) throws {
        let name = String(repeating: "a/", count: 150) + String(repeating: "a", count: 255)
        #expect(try !isExcluded(name, by: pattern, generation: .beforeV010))
        let matcher = IgnoreMatcher(try IgnoreRules(parsing: Array(pattern.utf8), name: ".dockerignore"))
        #expect(Array(name.utf8).withUnsafeBufferPointer { !matcher.excludes($0, in: matcher.matchesAtRoot) })
    }
}
