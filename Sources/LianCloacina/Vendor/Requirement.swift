/// A dependency as pyproject.toml declares it, of a kind that can be vendored: a name, with versions and a marker.
struct Requirement: Equatable, Sendable {
    let text: String
    /// As package indexes have it.
    let name: String

    init(_ text: String) throws(CloacinaError) {
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw Self.unsupported("a dependency has control characters in it")
        }
        let whole = text.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
        let head = (whole.first ?? "").drop { $0 == " " }
        let name = head.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
        let rest = head.dropFirst(name.count).filter { $0 != " " }
        guard let first = name.first, let last = name.last, first.isLetter || first.isNumber,
            last.isLetter || last.isNumber, Self.isVersions(Self.withoutExtras(rest))
        else {
            let isPlace = rest.contains("@") || head.contains("/") || head.hasPrefix(".")
            throw Self.unsupported(
                isPlace
                    ? "the dependency '\(head.prefix(60))' names a place and not only a package"
                    : "'\(head.prefix(60))' is no dependency that can be vendored")
        }
        self.text = text
        self.name = Self.indexName(name)
    }

    /// PEP 503: in lower case, with one hyphen where any of `-_.` are.
    static func indexName(_ name: some StringProtocol) -> String {
        name.lowercased().split(whereSeparator: { "-_.".contains($0) }).joined(separator: "-")
    }

    private static func withoutExtras(_ rest: String) -> Substring {
        guard rest.hasPrefix("["), let end = rest.firstIndex(of: "]") else { return rest[...] }
        return rest[rest.index(after: end)...]
    }

    /// Nothing, or comparisons, in parentheses or not. What they compare with is for pip to judge.
    private static func isVersions(_ text: Substring) -> Bool {
        var text = text
        if text.hasPrefix("("), text.hasSuffix(")") { text = text.dropFirst().dropLast() }
        guard let first = text.first else { return true }
        return "<>=!~".contains(first)
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "<>=!~,.*+-_".contains($0)) }
    }

    private static func unsupported(_ message: String) -> CloacinaError {
        CloacinaError(
            .dependencyUnsupported, .vendor, message,
            hint: "Direct URLs and local paths cannot be vendored: name a package of an index, as in \"requests>=2\".")
    }
}
