import Testing

@testable import LianContext

@Suite struct RsyncFiltersTests {
    private func filters(_ ignoreFile: String, keeping always: [String] = ["Dockerfile", ".dockerignore"]) throws
        -> [String]?
    {
        RsyncFilters.arguments(
            for: try IgnoreRules(parsing: Array(ignoreFile.utf8), name: ".dockerignore"),
            alwaysTravelling: always.map { Array($0.utf8) })
    }

    @Test(arguments: [
        ("", []), ("node_modules\n.git/\n/dist\n", ["- /node_modules", "- /.git", "- /dist"]),
        ("*.log\n**/*.tmp\n**/target\n", ["- /*.log", "- *.tmp", "- target"]),
        ("docs/*.md\nbuild/**\ncache*/**\nout**\n", ["- /docs/*.md", "- /build/*", "- /cache*/*", "- /out*"]),
        ("docker*\nDockerfile*\n", ["+ /Dockerfile", "- /docker*", "- /Dockerfile*"]),
        ("*\n", ["+ /Dockerfile", "+ /.dockerignore", "- /*"]), ("- odd\n**/- odd\n", ["- /- odd", "- - odd"]),
        ("a b\ncafé/ü*\n", ["- /a b", "- /café/ü*"]), ("**/**\n", ["+ /Dockerfile", "+ /.dockerignore", "- *"]),
    ])
    func whatBothReadAlikeIsLeftToRsync(ignoreFile: String, expected: [String]) throws {
        #expect(try filters(ignoreFile) == expected.map { "--filter=\($0)" })
    }

    @Test(arguments: [
        "*\n!src\n", "[ab]\n", "a?\n", "a\\*b\n", "a/**/b\n", "**/a/b\n", "a***\n", "**a\n", "c++\n",
        "a{b\n", "../a\n", "*\u{FFFD}.log\n", "..\n", "x\n\u{FEFF}*.md\n", String(repeating: "a\n", count: 65),
        String(repeating: "a", count: 1025) + "\n",
    ])
    func whatRsyncReadsOtherwiseIsNot(ignoreFile: String) throws {
        #expect(try filters(ignoreFile) == nil)
    }

    /// A NUL would end the argument, and cut the pattern short.
    @Test(arguments: ["*\u{FF}\n", "**/*\u{FF}\n", "src\0x\n", "*\0.\0l\0o\0g\0\n", "**/\0\n"])
    func whatIsNoTextIsNot(latin1: String) throws {
        let bytes = latin1.unicodeScalars.map { UInt8($0.value) }
        let rules = try IgnoreRules(parsing: bytes, name: ".dockerignore")
        #expect(RsyncFilters.arguments(for: rules, alwaysTravelling: []) == nil)
    }

    @Test func whatTravelsAlwaysHasToBeInTheRoot() throws {
        #expect(try filters("node_modules\n", keeping: ["deploy/Dockerfile"]) == ["--filter=- /node_modules"])
        #expect(try filters("deploy\n", keeping: ["deploy/Dockerfile"]) == nil)
        #expect(try filters("Docker*\n", keeping: ["Dockerfile*"]) == nil)
    }
}
