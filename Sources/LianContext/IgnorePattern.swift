/// Which BuildKit reads the ignore file. From v0.10 on all of them read it alike; the ones before, which Docker 20.10
/// carries, read some patterns otherwise. What the runner has is not known here.
package enum BuildKitGeneration: CaseIterable, Sendable {
    case current
    case beforeV010
}

/// One line of an ignore file, compiled.
struct IgnorePattern: Sendable {
    /// What the pattern is matched by: most need no automaton.
    enum Test: Sendable {
        case exact([UInt8])
        case prefix([UInt8])
        case suffix([UInt8])
        case program(RegexProgram)
    }

    /// Whether it takes back what earlier patterns excluded.
    let isException: Bool
    let text: [UInt8]
    let componentCount: Int
    let current: Test
    /// Nil where that generation cannot read the pattern, and so refuses the whole build.
    let beforeV010: Test?
    /// Whether both tests say the same of every name without a newline in it.
    let generationsAgree: Bool

    init(isException: Bool, scalars: [UInt32]) throws(RegexError) {
        self.isException = isException
        text = GoText.bytes(of: scalars)
        componentCount = text.count { $0 == GoText.slash } + 1
        let translation = PatternTranslation(scalars, escaping: PatternTranslation.currentEscapes)
        let older = PatternTranslation(scalars, escaping: PatternTranslation.olderEscapes)
        current =
            switch translation.kind {
            case .exact: .exact(text)
            case .prefix: .prefix(text.dropLast(2))
            case .suffix: .suffix(Array(text.dropFirst(2)))
            case .expression: .program(try RegexProgram(RegexParser.parse(translation.expression)))
            }
        // There it is always an expression; where it says the same, the cheaper test stands for it.
        let hasOperators = scalars.contains { PatternTranslation.operators.contains($0) }
        let isPlain =
            translation.kind != .expression && !hasOperators && scalars.first != PatternTranslation.byteOrderMark
        generationsAgree = isPlain || (translation.kind == .expression && translation.expression == older.expression)
        do {
            beforeV010 = .program(try RegexProgram(RegexParser.parse(older.expression)))
        } catch {
            beforeV010 = nil
        }
    }
}

/// A pattern as an expression, letter for letter as Docker makes one of it. Brackets, and what a backslash stands
/// before, reach the expression as they are, so their meaning there is their meaning here.
struct PatternTranslation {
    enum Kind { case exact, prefix, suffix, expression }

    private(set) var kind = Kind.exact
    private(set) var expression: [UInt32]

    static let byteOrderMark: UInt32 = 0xFEFF
    /// Braces and the bar are meant to be escaped too, but are not: its table has room for half of ASCII only.
    static let currentEscapes = Set(".+()$".unicodeScalars.map(\.value))
    static let olderEscapes = Set(".$".unicodeScalars.map(\.value))
    /// What means something to an expression although it is no wildcard.
    static let operators = Set("+(){}|^\u{FFFD}".unicodeScalars.map(\.value))

    init(_ pattern: [UInt32], escaping escapes: Set<UInt32>) {
        expression = Self.text("^")
        var rest = pattern[...]
        // Go's scanner drops it at the start of any text, not of a file only.
        if rest.first == Self.byteOrderMark { rest.removeFirst() }
        var isFirst = true
        while let scalar = rest.popFirst() {
            translate(scalar, isFirst: isFirst, rest: &rest, escapes: escapes)
            isFirst = false
        }
        expression += Self.text("$")
    }

    private mutating func translate(
        _ scalar: UInt32, isFirst: Bool, rest: inout ArraySlice<UInt32>, escapes: Set<UInt32>
    ) {
        switch Unicode.Scalar(scalar) {
        case "*"?:
            if rest.first == scalar {
                rest.removeFirst()
                translateDoubleStar(isFirst: isFirst, rest: &rest)
            } else {
                append("[^/]*")
            }
        case "?"?: append("[^/]")
        case "\\"?:
            expression.append(scalar)
            if let next = rest.popFirst() {
                expression.append(next)
                kind = .expression
            }
        case "["?, "]"?:
            expression.append(scalar)
            kind = .expression
        default:
            if escapes.contains(scalar) { expression += Self.text("\\") }
            expression.append(scalar)
        }
    }

    private mutating func translateDoubleStar(isFirst: Bool, rest: inout ArraySlice<UInt32>) {
        if rest.first == UInt32(GoText.slash) { rest.removeFirst() }
        if !rest.isEmpty {
            append("(.*/)?")
        } else if kind == .exact {
            expression += Self.text(".*")
            kind = .prefix
        } else {
            append(".*")
        }
        if isFirst { kind = .suffix }
    }

    private mutating func append(_ expression: String) {
        self.expression += Self.text(expression)
        kind = .expression
    }

    private static func text(_ text: String) -> [UInt32] {
        text.unicodeScalars.map(\.value)
    }
}
