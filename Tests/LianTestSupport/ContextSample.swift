import Foundation
import Glibc

/// A context to make: a tree and its ignore file.
package struct ContextSample: CustomStringConvertible {
    /// Folders end with a slash.
    package var tree: [String]
    package var ignoreFile: String

    package init(tree: [String], ignoreFile: String) {
        self.tree = tree
        self.ignoreFile = ignoreFile
    }

    package var description: String { "\(ignoreFile.debugDescription) over \(tree)" }

    package func make(at root: URL) throws {
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        for path in tree {
            let place = root.path + "/" + path
            if path.hasSuffix("/") {
                guard mkdir(place, 0o755) == 0 else { throw POSIXError(.EIO) }
            } else {
                let file = open(place, O_WRONLY | O_CREAT | O_EXCL, 0o644)
                guard file >= 0, path.withCString({ write(file, $0, strlen($0)) }) >= 0, close(file) == 0 else {
                    throw POSIXError(.EIO)
                }
            }
        }
        try ignoreFile.write(to: root.appending(path: ".dockerignore"), atomically: false, encoding: .utf8)
    }

    /// The same with those rules alone that exclude.
    package var withoutExceptions: ContextSample {
        let lines = ignoreFile.split(separator: "\n", omittingEmptySubsequences: false)
        return ContextSample(tree: tree, ignoreFile: lines.filter { !$0.contains("!") }.joined(separator: "\n"))
    }

    /// Cases that a person thought of, and generated ones.
    package static let all = handPicked + generated(from: 4000, count: 60)

    package static func generated(from seed: Int, count: Int) -> [ContextSample] {
        (0..<count).map { index in
            var samples = IgnoreSamples(seed: UInt64(seed + index), oddity: index % 3 == 2 ? .odd : .plain)
            let tree = samples.tree(entries: 30)
            return ContextSample(tree: tree, ignoreFile: samples.ignoreFile(for: tree))
        }
    }

    private static let project = [
        "Dockerfile", "README.md", "README-secret.md", ".env", ".git/", ".git/HEAD", ".git/refs/", "docs/", "docs/a.md",
        "docs/b.txt", "docs/deep/", "docs/deep/c.md", "empty/", "node_modules/", "node_modules/x/",
        "node_modules/x/index.js",
        "src/", "src/main.go", "src/main_test.go", "src/node_modules/", "src/node_modules/y.js", "src/node_modules/z/",
        "src/node_modules/z/keep", "src/pkg/", "src/pkg/util.go", "src/pkg/build/", "src/pkg/build/out", "a b/",
        "a b/c d",
        "x/", "x/y/", "x/y/z/", "x/y/z/file", "x/y/file", "#hash", "!bang", "café/", "café/é.txt", "line\nbreak/",
        "line\nbreak/foo", "-dash", "back\\slash", "(group)", "c++", "[z]", "{2}", "a|b",
    ]

    private static let handPicked = [
        "",
        "\u{FEFF}docs\r\n*.md\r\n",
        "*\n!src\n",
        "*\n!src/**\n!docs/*.md\n",
        "**\n!**/*.go\n",
        "*.md\n!README*.md\nREADME-secret.md\n",
        "*.md\nREADME-secret.md\n!README*.md\n",
        "**/node_modules\n!src/node_modules/z/keep\n",
        "docs\n!docs/deep\n",
        "docs/\n!docs/deep/c.md\ndocs/deep\n",
        "x/*\n!x/y\n",
        "x/**\n!x/y/file\n",
        "/x/y/../y/./z/\n//docs\n",
        "Dockerfile\n.dockerignore\n",
        "# a comment\n#hash\n \\#hash\n",
        "\\!bang\n!bang\n",
        "src/[lm]ain*.go\nsrc/pkg/bu?ld\n[^a-w]/y\n",
        "**/[[:alpha:]].md\n",
        "a*b*c*\n? ?\n",
        "**/build\nsrc**go\n***/out\n",
        "**/foo\nline*\n!**/é.txt\ncafé\n",
        "back\\\\slash\n-dash\n",
        "(group)\nc++\n",
        "\\[z]\n{2}\na|b\n",
        "/\n.\n..\n!..\n./\n",
        "!\n",
        "[\n",
        "src\n! src/main.go \n",
        ".*\n!.git/HEAD\n",
        "**/*\n!x/y\nx/y/z\n",
    ].map { ContextSample(tree: project, ignoreFile: $0) }
}
