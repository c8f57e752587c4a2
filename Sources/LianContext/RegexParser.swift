/// Why Go, or this parser, does not take an expression.
struct RegexError: Error, Equatable {
    let reason: String

    init(_ reason: String) {
        self.reason = reason
    }
}

/// Reads an expression as Go's `regexp.Compile` does. Groups carry no flags and no names: the question mark that
/// would open them is never left standing by the translation of a pattern.
struct RegexParser {
    private var rest: ArraySlice<UInt32>
    private var depth = 0

    /// Far more than any pattern has, and little enough for the stack.
    private static let deepestGroup = 200

    static func parse(_ expression: [UInt32]) throws(RegexError) -> RegexNode {
        var parser = RegexParser(rest: expression[...])
        let node = try parser.parseChoice()
        guard parser.rest.isEmpty else { throw RegexError("unexpected )") }
        return node
    }

    private init(rest: ArraySlice<UInt32>) {
        self.rest = rest
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == character.value else { return false }
        rest.removeFirst()
        return true
    }

    private func isNext(_ character: Unicode.Scalar) -> Bool {
        rest.first == character.value
    }

    /// What a backslash in front of the rest stands before.
    private var escaped: Unicode.Scalar? {
        guard isNext("\\"), let scalar = rest.dropFirst().first else { return nil }
        return Unicode.Scalar(scalar)
    }

    private mutating func parseChoice() throws(RegexError) -> RegexNode {
        var branches: [RegexNode] = []
        repeat { branches.append(try parseSequence()) } while take("|")
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func parseSequence() throws(RegexError) -> RegexNode {
        var nodes: [RegexNode] = []
        var lastWasRepetition = false
        while !rest.isEmpty, !isNext("|"), !isNext(")") {
            if let bounds = try parseRepetition() {
                guard let repeated = nodes.popLast() else { throw RegexError("nothing to repeat") }
                // Lazy or greedy is all the same where only a match counts.
                _ = take("?")
                guard !lastWasRepetition else { throw RegexError("two repetitions in a row") }
                nodes.append(.repetition(repeated, least: bounds.least, most: bounds.most))
                lastWasRepetition = true
            } else {
                dropRepeatedTail(&nodes)
                nodes += try parseAtoms()
                lastWasRepetition = false
            }
        }
        dropRepeatedTail(&nodes)
        return nodes.count == 1 ? nodes[0] : .sequence(nodes)
    }

    private func dropRepeatedTail(_ nodes: inout [RegexNode]) {
        if nodes.count >= 2, let last = nodes.last, last == nodes[nodes.count - 2], last.isIdempotent {
            nodes.removeLast()
        }
    }

    private mutating func parseRepetition() throws(RegexError) -> (least: Int, most: Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        let before = rest
        guard take("{"), let counts = parseCounts() else {
            rest = before
            return nil
        }
        let most = counts.most ?? counts.least
        guard counts.least <= 1000, most <= 1000, counts.least <= most else {
            throw RegexError("a repetition count over 1000 or out of order")
        }
        return counts
    }

    /// The `n}`, `n,}` or `n,m}` after a brace; anything else leaves the brace a plain character.
    private mutating func parseCounts() -> (least: Int, most: Int?)? {
        guard let least = parseCount() else { return nil }
        var most: Int? = least
        if take(",") {
            if isNext("}") {
                most = nil
            } else if let count = parseCount() {
                most = count
            } else {
                return nil
            }
        }
        return take("}") ? (least, most) : nil
    }

    private mutating func parseCount() -> Int? {
        let digits = rest.prefix { 0x30...0x39 ~= $0 }
        guard let first = digits.first, digits.count == 1 || first != 0x30 else { return nil }
        rest = rest.dropFirst(digits.count)
        return digits.prefix(9).reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    /// One atom, or the run of literals between `\Q` and `\E`, of which a repetition takes the last.
    private mutating func parseAtoms() throws(RegexError) -> [RegexNode] {
        switch escaped {
        case "Q"?: return parseQuotation()
        case "A"?: return [takeEscape(.assertion(.textStart))]
        case "z"?: return [takeEscape(.assertion(.textEnd))]
        case "b"?: return [takeEscape(.assertion(.wordBoundary))]
        case "B"?: return [takeEscape(.assertion(.noWordBoundary))]
        default: break
        }
        if let ranges = try parseClassEscape() { return [.set(ScalarSet(ranges))] }
        if isNext("\\") { return [.literal(try parseEscape())] }
        if take("(") { return [try parseGroup()] }
        if take("[") { return [.set(try parseClass())] }
        if take(".") { return [.set(.anyButNewline)] }
        if take("^") { return [.assertion(.textStart)] }
        if take("$") { return [.assertion(.textEnd)] }
        return [.literal(rest.removeFirst())]
    }

    private mutating func takeEscape(_ node: RegexNode) -> RegexNode {
        rest = rest.dropFirst(2)
        return node
    }

    private mutating func parseQuotation() -> [RegexNode] {
        rest = rest.dropFirst(2)
        var nodes: [RegexNode] = []
        while !rest.isEmpty {
            if escaped == "E" {
                rest = rest.dropFirst(2)
                break
            }
            nodes.append(.literal(rest.removeFirst()))
        }
        return nodes
    }

    private mutating func parseGroup() throws(RegexError) -> RegexNode {
        depth += 1
        guard depth <= Self.deepestGroup else { throw RegexError("groups nested too deeply") }
        let node = try parseChoice()
        guard take(")") else { throw RegexError("missing )") }
        depth -= 1
        return node
    }

    /// `\d`, `\s`, `\w` and their opposites.
    private mutating func parseClassEscape() throws(RegexError) -> [ClosedRange<UInt32>]? {
        let set: ScalarSet
        switch escaped {
        case "d"?: set = RegexClasses.digits
        case "D"?: set = RegexClasses.digits.inverted
        case "s"?: set = RegexClasses.spaces
        case "S"?: set = RegexClasses.spaces.inverted
        case "w"?: set = RegexClasses.words
        case "W"?: set = RegexClasses.words.inverted
        case "p"?, "P"?: throw RegexError("classes of Unicode characters (\\p) are not supported here")
        default: return nil
        }
        rest = rest.dropFirst(2)
        return set.ranges
    }

    /// A backslash and what makes one character of it.
    private mutating func parseEscape() throws(RegexError) -> UInt32 {
        rest.removeFirst()
        guard let scalar = rest.popFirst() else { throw RegexError("a backslash at the end") }
        switch Unicode.Scalar(scalar) {
        case "0"?: return parseOctal(after: scalar)
        case "1"?, "2"?, "3"?, "4"?, "5"?, "6"?, "7"?:
            // One digit alone would be a backreference.
            guard let next = rest.first, 0x30...0x37 ~= next else { break }
            return parseOctal(after: scalar)
        case "x"?: return try parseHexadecimal()
        case "a"?: return 0x07
        case "f"?: return 0x0C
        case "n"?: return 0x0A
        case "r"?: return 0x0D
        case "t"?: return 0x09
        case "v"?: return 0x0B
        default: if scalar < 0x80, !RegexClasses.alphanumerics.contains(scalar) { return scalar }
        }
        throw RegexError("an unknown escape")
    }

    private mutating func parseOctal(after first: UInt32) -> UInt32 {
        let digits = rest.prefix(2).prefix { 0x30...0x37 ~= $0 }
        rest = rest.dropFirst(digits.count)
        return digits.reduce(first - 0x30) { $0 * 8 + $1 - 0x30 }
    }

    private mutating func parseHexadecimal() throws(RegexError) -> UInt32 {
        let isBraced = take("{")
        var value: UInt32 = 0
        var count = 0
        while isBraced ? !isNext("}") : count < 2 {
            guard let digit = rest.popFirst().flatMap(RegexClasses.hexadecimalValue) else {
                throw RegexError("an unknown escape")
            }
            value = value * 16 + digit
            count += 1
            guard value <= ScalarSet.last else { throw RegexError("an unknown escape") }
        }
        if isBraced { rest.removeFirst() }
        guard count > 0 else { throw RegexError("an unknown escape") }
        return value
    }

    /// The rest of a class in brackets. A `]` that comes first is a member.
    private mutating func parseClass() throws(RegexError) -> ScalarSet {
        let isNegated = take("^")
        var ranges: [ClosedRange<UInt32>] = []
        var isFirst = true
        while isFirst || !isNext("]") {
            isFirst = false
            if let named = try parseNamedClass() {
                ranges += named
            } else if let escaped = try parseClassEscape() {
                ranges += escaped
            } else {
                let low = try parseClassMember()
                var high = low
                if isNext("-"), let next = rest.dropFirst().first, next != Unicode.Scalar("]").value {
                    rest.removeFirst()
                    high = try parseClassMember()
                }
                guard low <= high else { throw RegexError("a range out of order") }
                ranges.append(low...high)
            }
        }
        rest.removeFirst()
        let set = ScalarSet(ranges)
        return isNegated ? set.inverted : set
    }

    private mutating func parseClassMember() throws(RegexError) -> UInt32 {
        if isNext("\\") { return try parseEscape() }
        guard let scalar = rest.popFirst() else { throw RegexError("missing ]") }
        return scalar
    }

    /// `[:alpha:]` and its like; brackets and a colon that nothing closes are plain members.
    private mutating func parseNamedClass() throws(RegexError) -> [ClosedRange<UInt32>]? {
        let (open, colon, close) = (UInt32(0x5B), UInt32(0x3A), UInt32(0x5D))
        guard rest.starts(with: [open, colon]) else { return nil }
        let inner = rest.dropFirst(2)
        guard
            let end = inner.indices.first(where: {
                inner[$0] == colon && inner.dropFirst($0 - inner.startIndex + 1).first == close
            })
        else { return nil }
        let name = String(String.UnicodeScalarView(inner[..<end].compactMap(Unicode.Scalar.init)))
        guard let set = RegexClasses.named(name) else { throw RegexError("an unknown class [:\(name):]") }
        rest = rest[(end + 2)...]
        return set.ranges
    }
}
