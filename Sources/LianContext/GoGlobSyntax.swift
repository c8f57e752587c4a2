/// Whether Docker accepts a pattern. Docker matches it against the name "." with Go's `filepath.Match`, which reads the
/// pattern only until it knows that the name does not match.
enum GoGlobSyntax {
    private static let backslash = UInt32(UInt8(ascii: "\\"))
    private static let open = UInt32(UInt8(ascii: "["))
    private static let close = UInt32(UInt8(ascii: "]"))
    private static let caret = UInt32(UInt8(ascii: "^"))
    private static let hyphen = UInt32(UInt8(ascii: "-"))
    private static let star = UInt32(UInt8(ascii: "*"))
    private static let questionMark = UInt32(UInt8(ascii: "?"))
    private static let dot = UInt32(UInt8(ascii: "."))

    /// The first chunk is always read to its end. The second one is read only if the first matches ".", and then
    /// nothing of the name is left that a third could match.
    static func isTaken(_ pattern: [UInt32]) -> Bool {
        var rest = pattern[...]
        guard let first = readChunk(takeChunk(&rest)) else { return false }
        return !first.matchesDot || readChunk(takeChunk(&rest)) != nil
    }

    /// A chunk ends before the next star outside of brackets. Here any `]` closes brackets, although the chunk itself
    /// is read differently later; Go does the same.
    private static func takeChunk(_ rest: inout ArraySlice<UInt32>) -> ArraySlice<UInt32> {
        rest = rest.drop { $0 == star }
        var index = rest.startIndex
        var inBrackets = false
        scan: while index < rest.endIndex {
            switch rest[index] {
            case backslash: index += 1
            case open: inBrackets = true
            case close: inBrackets = false
            case star where !inBrackets: break scan
            default: break
            }
            index += 1
        }
        let chunk = rest[..<min(index, rest.endIndex)]
        rest = rest[chunk.endIndex...]
        return chunk
    }

    private struct Chunk {
        let matchesDot: Bool
    }

    /// Nil where the chunk is malformed.
    private static func readChunk(_ chunk: ArraySlice<UInt32>) -> Chunk? {
        var rest = chunk
        var count = 0
        var matchesDot = true
        while let first = rest.popFirst() {
            count += 1
            switch first {
            case questionMark: break
            case open:
                guard let brackets = readBrackets(&rest) else { return nil }
                matchesDot = brackets.matchesDot
            case backslash:
                guard let escaped = rest.popFirst() else { return nil }
                matchesDot = escaped == dot
            default: matchesDot = first == dot
            }
        }
        return Chunk(matchesDot: count == 1 && matchesDot)
    }

    private static func readBrackets(_ rest: inout ArraySlice<UInt32>) -> Chunk? {
        let isNegated = rest.first == caret
        if isNegated { rest.removeFirst() }
        var hasDot = false
        var isFirst = true
        while isFirst || rest.first != close {
            guard let low = takeMember(&rest) else { return nil }
            var high = low
            if rest.first == hyphen {
                rest.removeFirst()
                guard let member = takeMember(&rest) else { return nil }
                high = member
            }
            hasDot = hasDot || low <= dot && dot <= high
            isFirst = false
        }
        rest.removeFirst()
        return Chunk(matchesDot: hasDot != isNegated)
    }

    /// One member, escaped or not, that is not the chunk's last character.
    private static func takeMember(_ rest: inout ArraySlice<UInt32>) -> UInt32? {
        guard let first = rest.popFirst(), first != hyphen, first != close else { return nil }
        guard let member = first == backslash ? rest.popFirst() : first, !rest.isEmpty else { return nil }
        return member
    }
}
