/// Which BuildKit reads the ignore file. All versions from v0.10 on read it alike; older ones, such as that of Docker
/// 20.10, read some patterns differently. The runner's version is not known here.
package enum BuildKitGeneration: CaseIterable, Sendable {
    case current
    case beforeV010
}

/// One line of an ignore file, ready to be asked.
struct IgnorePattern: Sendable {
    /// Whether it brings back what earlier patterns excluded.
    let isException: Bool
    let text: [UInt8]
    let componentCount: Int
    let current: NameTest
    /// Nil where that generation cannot read the pattern, and so refuses the whole build.
    let beforeV010: NameTest?
    /// Whether both tests give the same result for every name without a newline.
    let generationsAgree: Bool

    init(_ reading: PatternReading, _ budget: inout ExpressionBudget) throws(ExpressionError) {
        isException = reading.isException
        text = GoText.bytes(of: reading.scalars)
        componentCount = text.count { $0 == GoText.slash } + 1
        current =
            switch reading.current.kind {
            case .exact: .exact(text)
            case .prefix: .prefix(text.dropLast(2))
            case .suffix: .suffix(Array(text.dropFirst(2)))
            case .expression: .expression(try budget.compile(reading.current.expression))
            }
        generationsAgree = reading.generationsAgree
        if reading.needsOlderExpression {
            do {
                beforeV010 = .expression(try budget.compile(reading.older.expression))
            } catch  where !error.isTooLarge {
                beforeV010 = nil
            }
        } else {
            beforeV010 = current
        }
    }
}

/// A pattern as it was read, before anything is spent on it.
struct PatternReading {
    let isException: Bool
    let scalars: [UInt32]
    let current: PatternTranslation
    let older: PatternTranslation
    let generationsAgree: Bool
    /// The older generation turns every pattern into an expression, in which a newline ends what two stars cover.
    let needsOlderExpression: Bool

    init(isException: Bool, scalars: [UInt32]) {
        self.isException = isException
        self.scalars = scalars
        current = PatternTranslation(scalars, escaping: PatternTranslation.currentEscapes)
        older = PatternTranslation(scalars, escaping: PatternTranslation.olderEscapes)
        let hasOperators = scalars.contains { PatternTranslation.operators.contains($0) }
        let isPlain = current.kind != .expression && !hasOperators && scalars.first != PatternTranslation.byteOrderMark
        let isSameExpression = current.kind == .expression && current.expression == older.expression
        // `**foo` is any name that ends in `foo` for the current generation, and `foo` in any folder for the
        // older one.
        let endsNames = current.kind == .suffix && scalars.count > 2 && scalars[2] != UInt32(GoText.slash)
        generationsAgree = isPlain && !endsNames || isSameExpression
        needsOlderExpression = !isSameExpression && !(isPlain && current.kind == .exact)
    }

    /// How many expressions have to be compiled.
    var expressions: Int { (current.kind == .expression ? 1 : 0) + (needsOlderExpression ? 1 : 0) }
}

/// A pattern as an expression, translated letter for letter as Docker does it. Brackets and characters behind a
/// backslash are passed on unchanged, so they mean what they mean in an expression.
struct PatternTranslation {
    enum Kind { case exact, prefix, suffix, expression }

    private(set) var kind = Kind.exact
    private(set) var expression: [UInt32]

    static let byteOrderMark: UInt32 = 0xFEFF
    /// Braces and the bar are meant to be escaped too, but are not: its table has room for half of ASCII only.
    static let currentEscapes = Set(".+()$".unicodeScalars.map(\.value))
    static let olderEscapes = Set(".$".unicodeScalars.map(\.value))
    /// Characters that have a meaning in an expression although they are no wildcards.
    static let operators = Set("+(){}|^\u{FFFD}".unicodeScalars.map(\.value))

    init(_ pattern: [UInt32], escaping escapes: Set<UInt32>) {
        expression = Self.text("^")
        var rest = pattern[...]
        // Go's scanner drops a byte order mark at the start of any text, not only of a file.
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
