/// Trees and ignore files that have to do with each other.
package struct IgnoreSamples {
    package enum Oddity: Int, Sendable {
        /// What people write.
        case plain
        /// Characters that mean something to Go's expressions.
        case odd
    }

    package var random: SeededGenerator
    private let oddity: Oddity

    package init(seed: UInt64, oddity: Oddity) {
        random = SeededGenerator(seed: seed)
        self.oddity = oddity
    }

    private static let plainNames = [
        "a", "b", "ab", "src", "doc", "foo", "bar", "foo.txt", "bar.md", "README.md", "main.go", ".env", ".git", "x1",
        "x2",
        "node_modules", "a b", "Makefile", "é.txt", "日本",
    ]
    private static let oddNames = [
        "c++", "x(1)", "[z]", "a{b}", "{2}", "aa", "n|m", "#h", "!x", "^t", "$v", "d0", "w_w", "a-z", "*", "?q", "e\\f",
        ":p", "-dash",
        "tab\there", "ÿ",
    ]

    private var names: [String] { oddity == .plain ? Self.plainNames : Self.plainNames + Self.oddNames }

    /// Paths in an order in which they can be made; folders end with a slash.
    package mutating func tree(entries: Int) -> [String] {
        var paths: [String] = []
        var folders = [""]
        var taken: Set<String> = []
        for _ in 0..<entries {
            let path = random.pick(folders) + random.pick(names)
            guard taken.insert(path).inserted else { continue }
            if path.split(separator: "/").count < 5, !random.oneIn(3) {
                folders.append(path + "/")
                paths.append(path + "/")
            } else {
                paths.append(path)
            }
        }
        return paths
    }

    /// An ignore file about a tree.
    package mutating func ignoreFile(for tree: [String]) -> String {
        let ending = random.oneIn(6) ? "\r\n" : "\n"
        var lines: [String] = []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            lines.append(line(for: tree))
        }
        return (random.oneIn(10) ? "\u{FEFF}" : "") + lines.joined(separator: ending) + (random.oneIn(4) ? "" : ending)
    }

    private mutating func line(for tree: [String]) -> String {
        if random.oneIn(15) {
            return random.pick(["", "# a comment", "   ", " #not", "/", ".", "./", "..", "../a", "*/.."])
        }
        var components = random.pick(tree).split(separator: "/").map(String.init)
        if random.oneIn(2) {
            components = Array(components.prefix(Int.random(in: 1...components.count, using: &random)))
        }
        for index in components.indices where random.oneIn(3) { components[index] = mutated(components[index]) }
        var pattern = components.joined(separator: "/")
        if random.oneIn(4) { pattern = "**/" + (components.last ?? "") }
        if random.oneIn(8) { pattern += random.pick(["/", "/**", "/*", "**", "*", "/**/*", "/."]) }
        if random.oneIn(10) { pattern = random.pick(["/", "./", "//", "x/../"]) + pattern }
        if random.oneIn(3) { pattern = (random.oneIn(8) ? "! " : "!") + pattern }
        if random.oneIn(12) { pattern = " " + pattern + " \t" }
        return pattern
    }

    private mutating func mutated(_ component: String) -> String {
        var characters = Array(component)
        let place = Int.random(in: 0..<characters.count, using: &random)
        let plain = ["*", "?", "**", "*.md", "*.*", "[a-f]*", "[^a]*", "?*"]
        let odd = [
            "\\", "[", "]", "{", "}", "{2}", "|", "+", "(", ")", "^", "$", ".", "\\d", "\\w", "\\Q", "[[:alpha:]]",
            "[*]", "[^a]", "***", "\\*", "\\b",
        ]
        switch random.next() % 4 {
        case 0:
            return random.pick(["*", "**", "?", "*" + String(characters.suffix(2)), String(characters.prefix(2)) + "*"])
        case 1: characters[place] = "?"
        case 2: characters[place] = "*"
        default:
            let inserted = random.pick(oddity == .plain ? plain : plain + odd)
            return String(characters.prefix(place)) + inserted
                + String(characters.dropFirst(place + (random.oneIn(2) ? 1 : 0)))
        }
        return String(characters)
    }
}
