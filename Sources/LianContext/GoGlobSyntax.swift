/// Whether Go's `filepath.Match` takes the pattern: Docker refuses the whole ignore file where it does not.
enum GoGlobSyntax {
    private static let backslash = UInt32(UInt8(ascii: "\\"))
    private static let open = UInt32(UInt8(ascii: "["))
    private static let close = UInt32(UInt8(ascii: "]"))
    private static let caret = UInt32(UInt8(ascii: "^"))
    private static let hyphen = UInt32(UInt8(ascii: "-"))
    private static let star = UInt32(UInt8(ascii: "*"))

    static func isValid(_ pattern: [UInt32]) -> Bool {
        var index = 0
        while index < pattern.count {
            while index < pattern.count, pattern[index] == star { index += 1 }
            let end = endOfChunk(pattern, from: index)
            guard isValidChunk(pattern[index..<end]) else { return false }
            index = end
        }
        return true
    }

    /// A chunk ends before the next star outside of brackets. A `]` ends brackets here wherever it stands, which is
    /// not how the chunk itself is read; Go does the same.
    private static func endOfChunk(_ pattern: [UInt32], from start: Int) -> Int {
        var index = start
        var inBrackets = false
        while index < pattern.count {
            switch pattern[index] {
            case backslash: index += 1
            case open: inBrackets = true
            case close: inBrackets = false
            case star where !inBrackets: return index
            default: break
            }
            index += 1
        }
        return pattern.count
    }

    private static func isValidChunk(_ chunk: ArraySlice<UInt32>) -> Bool {
        var rest = chunk
        while let first = rest.popFirst() {
            switch first {
            case open: guard skipBrackets(&rest) else { return false }
            case backslash: guard rest.popFirst() != nil else { return false }
            default: break
            }
        }
        return true
    }

    private static func skipBrackets(_ rest: inout ArraySlice<UInt32>) -> Bool {
        if rest.first == caret { rest.removeFirst() }
        var isFirst = true
        while isFirst || rest.first != close {
            guard skipClassMember(&rest) else { return false }
            if rest.first == hyphen {
                rest.removeFirst()
                guard skipClassMember(&rest) else { return false }
            }
            isFirst = false
        }
        rest.removeFirst()
        return true
    }

    /// One member, escaped or not, that is not the pattern's last character.
    private static func skipClassMember(_ rest: inout ArraySlice<UInt32>) -> Bool {
        guard let first = rest.popFirst(), first != hyphen, first != close else { return false }
        if first == backslash, rest.popFirst() == nil { return false }
        return !rest.isEmpty
    }
}
