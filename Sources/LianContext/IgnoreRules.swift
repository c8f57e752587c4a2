import LianModel

/// The rules of an ignore file, in its order: of the patterns that match, the last one decides.
package struct IgnoreRules: Sendable {
    let patterns: [IgnorePattern]
    /// Whether a folder can stay unread unless an exception begins with its path. This is so if no exception has a
    /// wildcard, except one at its end.
    let exceptionsArePrefixes: Bool
    /// Whether BuildKit before v0.10 can read the rules at all.
    package let readableBeforeV010: Bool
    /// Whether every BuildKit keeps the same files of a context without newlines in its names.
    let generationsAgree: Bool

    /// The rules of a context without an ignore file.
    package static let none = IgnoreRules(patterns: [])

    private init(patterns: [IgnorePattern]) {
        self.patterns = patterns
        let exceptions = patterns.filter(\.isException)
        exceptionsArePrefixes = exceptions.allSatisfy { exception in
            !exception.textBeforeTrailingWildcard.contains { Self.wildcards.contains($0) }
        }
        readableBeforeV010 = patterns.allSatisfy { $0.beforeV010 != nil }
        generationsAgree = exceptions.isEmpty && patterns.allSatisfy(\.generationsAgree)
    }

    private static let wildcards = Set("*[]?^\\".utf8)

    /// Reads an ignore file. `name` is what messages call it.
    package init(parsing file: [UInt8], name: String) throws(LianError) {
        var readings: [(line: Line, reading: PatternReading)] = []
        var expressions = 0
        for (index, bytes) in Self.lines(of: file).enumerated() {
            let line = Line(file: name, number: index + 1, bytes: bytes)
            do {
                guard let reading = try Self.reading(ofLine: bytes) else { continue }
                readings.append((line, reading))
                expressions += reading.expressions
            } catch {
                throw line.refusal(error)
            }
            guard readings.count <= Self.mostPatterns, expressions <= ExpressionBudget.mostExpressions else {
                throw line.refusal(.tooMuch("there are too many patterns up to here"))
            }
        }
        var budget = ExpressionBudget(expressions: expressions)
        var patterns: [IgnorePattern] = []
        for (line, reading) in readings {
            do {
                patterns.append(try IgnorePattern(reading, &budget))
            } catch {
                throw line.refusal(
                    error.isTooLarge ? .tooMuch(error.reason) : LineError(reason: "not a pattern: \(error.reason)"))
            }
        }
        self.init(patterns: patterns)
    }

    private struct Line {
        let file: String
        let number: Int
        let bytes: ArraySlice<UInt8>

        func refusal(_ error: LineError) -> LianError {
            let shown = 80
            let text = String(decoding: bytes.prefix(shown), as: UTF8.self)
            return LianError(
                .ignoreFileInvalid, .resolve,
                "\(file), line \(number): \(error.reason): \(bytes.count > shown ? text + "…" : text)", hint: error.hint
            )
        }
    }

    private static func lines(of file: [UInt8]) -> [ArraySlice<UInt8>] {
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let content = file.starts(with: byteOrderMark) ? file.dropFirst(byteOrderMark.count) : file[...]
        return content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    }

    /// Each name is tested against all patterns, and each folder that waits to be read remembers which of them it
    /// matched.
    private static let mostPatterns = 10000
    /// Docker reads no line that is longer.
    private static let longestLine = 65535

    private struct LineError: Error {
        let reason: String
        var hint =
            "Docker reads * and ? within a name, ** across folders, [a-z] as a class, \\ before a plain character."

        /// The error for a line that Docker might accept but that nobody writes by hand.
        static func tooMuch(_ reason: String) -> LineError {
            LineError(
                reason: reason, hint: "Write a few patterns that cover many names: each name is held against all.")
        }
    }

    /// What Docker makes of a line: the line is cleaned once when the file is read and once more when it is compiled.
    private static func reading(ofLine bytes: ArraySlice<UInt8>) throws(LineError) -> PatternReading? {
        guard bytes.count <= longestLine else {
            throw LineError(
                reason: "the line is longer than \(longestLine) bytes", hint: "Split it into several lines.")
        }
        guard bytes.first != UInt8(ascii: "#"),
            var pattern = normalized(GoText.scalars(of: Array(bytes)))
        else { return nil }
        pattern = Array(GoText.trimSpace(pattern[...]))
        guard !pattern.isEmpty else { return nil }
        pattern = GoText.cleanPath(pattern[...])
        let isException = pattern.first == exclamationMark
        if isException {
            pattern.removeFirst()
            guard !pattern.isEmpty else {
                throw LineError(reason: "an exception with no pattern", hint: "Write the pattern right after the !.")
            }
        }
        guard GoGlobSyntax.isTaken(pattern) else { throw LineError(reason: "not a pattern") }
        return PatternReading(isException: isException, scalars: pattern)
    }

    private static let exclamationMark = UInt32(UInt8(ascii: "!"))

    /// The line without surrounding space, as a path from the context's root; nil where the line is empty.
    private static func normalized(_ line: [UInt32]) -> [UInt32]? {
        var pattern = GoText.trimSpace(line[...])
        guard let first = pattern.first else { return nil }
        let isException = first == exclamationMark
        if isException { pattern = GoText.trimSpace(pattern.dropFirst()) }
        var cleaned = pattern.isEmpty ? [] : GoText.cleanPath(pattern)
        if cleaned.count > 1, cleaned.first == UInt32(GoText.slash) { cleaned.removeFirst() }
        return isException ? [exclamationMark] + cleaned : cleaned
    }
}

extension IgnorePattern {
    /// The text without a `/**` and then a `/*` at its end.
    var textBeforeTrailingWildcard: ArraySlice<UInt8> {
        var rest = text[...]
        for ending in ["/**", "/*"] where rest.reversed().starts(with: ending.utf8.reversed()) {
            rest = rest.dropLast(ending.utf8.count)
        }
        return rest
    }
}
