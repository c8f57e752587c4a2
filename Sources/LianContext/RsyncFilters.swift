/// Ignore rules as rsync's own filter rules: rsync then reads the folders by itself, which it does faster than it takes
/// a list of names.
enum RsyncFilters {
    /// rsync asks its rules one by one for each name, as it does with each letter of a list.
    private static let mostRules = 64
    /// rsync drops a rule that is longer than any path; nobody writes one half as long.
    private static let longestPattern = 1024
    /// Docker drops it where a pattern begins with it.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// What makes a pattern of a name, for either of them.
    private static let wildcards = Set("*?[]\\".utf8)
    private static let star = UInt8(ascii: "*")

    /// Nil where rsync would read a rule otherwise, or where it cannot be told what travels whatever the rules say.
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

    /// Two stars cross folders for Docker: at the start that is rsync's pattern without a slash before it, and at the
    /// end it is enough to leave out what lies directly there.
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

    /// One name of a pattern. A star by itself is anything within a name for both.
    private static func isReadAlike(_ name: ArraySlice<UInt8>) -> Bool {
        let isPlain = name.allSatisfy { $0 == star || !wildcards.contains($0) }
        let hasDoubleStar = zip(name, name.dropFirst()).contains { $0 == star && $1 == star }
        return isPlain && !hasDoubleStar && !["", ".", ".."].contains { name.elementsEqual($0.utf8) }
    }

    /// Nothing in it means more than itself to an expression, as what stands for bytes that are no text does; and
    /// nothing ends an argument.
    private static func isText(_ pattern: ArraySlice<UInt8>) -> Bool {
        String(decoding: pattern, as: UTF8.self).unicodeScalars.allSatisfy {
            $0.value != 0 && !PatternTranslation.operators.contains($0.value)
        }
    }

    private static func argument(_ verdict: String, _ anchor: String, _ pattern: some Sequence<UInt8>) -> String {
        "--filter=\(verdict) \(anchor)\(String(decoding: Array(pattern), as: UTF8.self))"
    }
}
