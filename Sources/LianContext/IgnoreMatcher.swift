/// Asks the rules about names, one generation of BuildKit at a time. Paths are relative to the context, without a
/// slash at either end.
package final class IgnoreMatcher {
    private let rules: IgnoreRules
    private let current: [NameTest]
    private let beforeV010: [NameTest]
    /// Kept apart from the patterns, which would otherwise be copied for each name.
    private let isException: [Bool]

    /// One flag for each rule: whether it matched a folder. A rule that matched a folder matches everything in it.
    package typealias FolderMatches = [Bool]

    package init(_ rules: IgnoreRules) {
        self.rules = rules
        current = rules.patterns.map(\.current)
        isException = rules.patterns.map(\.isException)
        beforeV010 = rules.patterns.map { $0.beforeV010 ?? .exact([]) }
    }

    package var matchesAtRoot: FolderMatches { FolderMatches(repeating: false, count: rules.patterns.count) }

    // Since v0.10, BuildKit remembers which rules matched a folder, and they match everything in it.

    package func excludes(_ path: UnsafeBufferPointer<UInt8>, in folder: FolderMatches) -> Bool {
        var isExcluded = false
        for index in current.indices {
            if !folder[index] {
                // A pattern that cannot change the verdict is skipped.
                if isException[index] != isExcluded { continue }
                if !current[index].matches(path) { continue }
            }
            isExcluded = !isException[index]
        }
        return isExcluded
    }

    /// The same for a folder, with the matches that its entries need. A pattern that was skipped counts as one that did
    /// not match, for the entries too.
    package func excludesFolder(
        _ path: UnsafeBufferPointer<UInt8>, in folder: FolderMatches
    ) -> (isExcluded: Bool, matches: FolderMatches) {
        var isExcluded = false
        var matches = folder
        for index in current.indices {
            if !folder[index] {
                if isException[index] != isExcluded { continue }
                matches[index] = current[index].matches(path)
                if !matches[index] { continue }
            }
            isExcluded = !isException[index]
        }
        return (isExcluded, matches)
    }

    /// Whether BuildKit looks into an excluded folder for what an exception takes back.
    package func looksInto(excludedFolder path: UnsafeBufferPointer<UInt8>) -> Bool {
        guard rules.exceptionsArePrefixes else { return true }
        return rules.patterns.contains { pattern in
            pattern.isException && isFolder(path, above: pattern.textBeforeTrailingWildcard)
        }
    }

    // Before v0.10, BuildKit tests each path itself and one folder above it: the one at the depth of the pattern.

    package func excludesBeforeV010(_ path: UnsafeBufferPointer<UInt8>) -> Bool {
        let slashes = path.indices.filter { path[$0] == GoText.slash }
        var isExcluded = false
        for (index, pattern) in rules.patterns.enumerated() {
            let test = beforeV010[index]
            let parts = pattern.componentCount
            let matches =
                test.matches(path)
                || parts <= slashes.count && test.matches(UnsafeBufferPointer(rebasing: path[..<slashes[parts - 1]]))
            if matches { isExcluded = !pattern.isException }
        }
        return isExcluded
    }

    package func looksIntoBeforeV010(excludedFolder path: UnsafeBufferPointer<UInt8>) -> Bool {
        rules.patterns.contains { pattern in
            pattern.isException && isFolder(path, above: pattern.text[...])
        }
    }

    /// Whether the text is the folder's path or begins with it.
    private func isFolder(_ path: UnsafeBufferPointer<UInt8>, above text: ArraySlice<UInt8>) -> Bool {
        text.starts(with: path) && (text.count == path.count || text[text.startIndex + path.count] == GoText.slash)
    }
}
