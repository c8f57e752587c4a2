import CExpression

/// Why an expression is refused.
struct ExpressionError: Error, Equatable {
    let reason: String
    /// Whether only the memory allowed here is too small: Go could take the expression.
    var isTooLarge = false
}

/// A regular expression as Go reads it. Its syntax is RE2's; where RE2 behaves differently from Go, this type makes up
/// for it.
///
/// `@unchecked Sendable`: RE2 lets any number of threads ask one expression.
final class GoExpression: @unchecked Sendable {
    private let compiled: OpaquePointer
    /// The number of instructions that it was compiled to.
    let size: Int

    private static let backslash = UInt32(UInt8(ascii: "\\"))

    /// `memory` is the most bytes that it may ever hold, for its program and for what it caches while matching.
    init(_ expression: [UInt32], memory: Int) throws(ExpressionError) {
        let escapes = Escapes(in: expression)
        guard !escapes.haveAnyByte else { throw ExpressionError(reason: "invalid escape sequence: \\C") }
        var compiled = try Self.compile(expression, memory)
        if escapes.haveNoBoundary {
            // RE2 looks for a match at each byte, Go at each character, and Go sees no word boundary between the bytes
            // of a character. With a run of whole characters in front, RE2 cannot begin within one either.
            lian_expression_free(compiled)
            let quotationEnd = escapes.endQuoted ? "\\E" : ""
            compiled = try Self.compile(Self.text("^(?s:.*)(?:") + expression + Self.text(quotationEnd + ")"), memory)
        }
        self.compiled = compiled
        size = Int(lian_expression_size(compiled))
    }

    deinit { lian_expression_free(compiled) }

    private static func text(_ text: String) -> [UInt32] { text.unicodeScalars.map(\.value) }

    private static func compile(_ expression: [UInt32], _ memory: Int) throws(ExpressionError) -> OpaquePointer {
        let compiled = GoText.bytes(of: expression).withUnsafeBytes {
            lian_expression_compile($0.assumingMemoryBound(to: CChar.self).baseAddress, $0.count, memory)
        }
        guard let compiled else { throw ExpressionError(reason: "there is no memory for it", isTooLarge: true) }
        guard let error = lian_expression_error(compiled) else { return compiled }
        defer { lian_expression_free(compiled) }
        guard !lian_expression_is_too_large(compiled) else {
            throw ExpressionError(reason: "the pattern is too large", isTooLarge: true)
        }
        throw ExpressionError(reason: String(cString: error))
    }

    /// Whether it matches anywhere in the text. The time needed grows at most with the text's length times the
    /// program's size.
    func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        // Go reads a byte that is not valid UTF-8 as the replacement character U+FFFD.
        if GoText.isUTF8(text) { return matches(UTF8: text) }
        return GoText.bytes(of: GoText.scalars(of: Array(text))).withUnsafeBufferPointer { matches(UTF8: $0) }
    }

    private func matches(UTF8 text: UnsafeBufferPointer<UInt8>) -> Bool {
        let bytes = UnsafeRawPointer(text.baseAddress)?.assumingMemoryBound(to: CChar.self)
        return lian_expression_matches(compiled, bytes, text.count)
    }

    /// The escapes that RE2 reads differently from Go.
    private struct Escapes {
        /// `\C`: Go has no such escape.
        var haveAnyByte = false
        /// `\B`.
        var haveNoBoundary = false
        /// Whether a `\Q` is open at the end of the expression.
        var endQuoted = false

        init(in expression: [UInt32]) {
            var rest = expression[...]
            while let scalar = rest.popFirst() {
                guard scalar == backslash, let escaped = rest.popFirst() else { continue }
                switch Unicode.Scalar(escaped) {
                case "C"?: haveAnyByte = true
                case "B"?: haveNoBoundary = true
                case "Q"?: endQuoted = !Self.leaveQuotation(&rest)
                default: break
                }
            }
        }

        private static func leaveQuotation(_ rest: inout ArraySlice<UInt32>) -> Bool {
            while let scalar = rest.popFirst() {
                if scalar == backslash, rest.first == UInt32(UInt8(ascii: "E")) {
                    rest.removeFirst()
                    return true
                }
            }
            return false
        }
    }
}

/// What may be spent on all expressions of one ignore file together.
struct ExpressionBudget {
    private let memoryOfEach: Int
    private var instructionsLeft = 1 << 16

    /// More patterns than anybody writes by hand.
    static let mostExpressions = 2048
    private static let memory = 128 << 20
    private static let largestMemory = 8 << 20

    /// For so many expressions.
    init(expressions: Int) {
        memoryOfEach = min(Self.largestMemory, Self.memory / max(expressions, 1))
    }

    mutating func compile(_ expression: [UInt32]) throws(ExpressionError) -> GoExpression {
        let compiled = try GoExpression(expression, memory: memoryOfEach)
        guard compiled.size <= instructionsLeft else {
            throw ExpressionError(reason: "it and the patterns before it are too large together", isTooLarge: true)
        }
        instructionsLeft -= compiled.size
        return compiled
    }
}
