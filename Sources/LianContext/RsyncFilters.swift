/// Ignore rules as rsync's own filter rules. rsync then reads the folders by itself, which is faster than reading a
/// list of names.
enum RsyncFilters {
    /// rsync tests each name against its rules one by one, so more rules would cost more than a list does.
    private static let mostRules = 64
    /// rsync drops a rule that is longer than any path. This is less, and more than anybody writes.
    static let longestPattern = 1024
    /// Docker drops this mark at the beginning of a pattern.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// A line of an exclude file for exactly this path. A backslash is one unless there are wildcards.
    static func rule(excluding path: [UInt8]) -> [UInt8] {
        guard path.contains(where: "*?[".utf8.contains) else { return [GoText.slash] + path }
        return [GoText.slash] + path.flatMap { "*?[\\".utf8.contains($0) ? [UInt8(ascii: "\\"), $0] : [$0] }
    }

    /// The characters that make a name a pattern, for Docker or for rsync.
    private static let wildcards = Set("*?[]\\".utf8)
    private static let star = UInt8(ascii: "*")

    /// Nil where rsync would read a rule differently, or cannot be told about a path that always travels.
    static func arguments(for rules: IgnoreRules, alwaysTravelling: [[UInt8]]) -> [String]? {
        guard rules.generationsAgree, rules.patterns.count <= mostRules else { return nil }
        var exceptions: [[UInt8]] = []
        let matcher = IgnoreMatcher(rules)
        for path in alwaysTravelling where excludes(path, matcher) {
            guard !path.contains(GoText.slash), !path.contains(where: wildcards.contains) else { return nil }
            exceptions.append(path)
        }
        var arguments = exceptions.map { argument("+", "/", $0) }
        for pattern in rules.patterns {
            guard let exclusion = exclusion(pattern.text[...]) else { return nil }
            arguments.append(exclusion)
        }
        return arguments
    }

    private static func excludes(_ path: [UInt8], _ matcher: IgnoreMatcher) -> Bool {
        let ends = path.indices.filter { path[$0] == GoText.slash } + [path.count]
        return ends.contains { end in
            path[..<end].withUnsafeBufferPointer { matcher.excludes($0, in: matcher.matchesAtRoot) }
        }
    }

    /// In Docker two stars cross folders. At the start of a pattern, rsync needs a pattern without a leading slash for
    /// that; at the end, it is enough to exclude what is directly in the folder.
    private static func exclusion(_ pattern: ArraySlice<UInt8>) -> String? {
        guard pattern.count <= longestPattern, !pattern.starts(with: byteOrderMark), isText(pattern) else { return nil }
        var names = pattern.split(separator: GoText.slash, omittingEmptySubsequences: false)
        var anchor = "/"
        if names.count == 2, names[0].elementsEqual("**".utf8) {
            anchor = ""
            names.removeFirst()
        }
        if names[names.count - 1].suffix(2).elementsEqual("**".utf8) { names[names.count - 1].removeLast() }
        guard names.allSatisfy(isReadAlike) else { return nil }
        return argument("-", anchor, names.joined(separator: [GoText.slash]))
    }

    /// Whether both read this part of a pattern alike. A single star matches anything within a name for both.
    private static func isReadAlike(_ name: ArraySlice<UInt8>) -> Bool {
        let isPlain = name.allSatisfy { $0 == star || !wildcards.contains($0) }
        let hasDoubleStar = zip(name, name.dropFirst()).contains { $0 == star && $1 == star }
        return isPlain && !hasDoubleStar && !["", ".", ".."].contains { name.elementsEqual($0.utf8) }
    }

    /// Whether the pattern has no operator of an expression, no replacement for invalid bytes and no NUL, which would
    /// end the argument.
    private static func isText(_ pattern: ArraySlice<UInt8>) -> Bool {
        String(decoding: pattern, as: UTF8.self).unicodeScalars.allSatisfy {
            $0.value != 0 && !PatternTranslation.operators.contains($0.value)
        }
    }

    private static func argument(_ verdict: String, _ anchor: String, _ pattern: some Sequence<UInt8>) -> String {
        "--filter=\(verdict) \(anchor)\(String(decoding: Array(pattern), as: UTF8.self))"
    }
}
