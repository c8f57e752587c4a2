import Foundation

/// What a document's `console` blocks say: commands after `$ `, gone on with `> `, and below each what it prints. There
/// `…` stands for anything within a line, and on a line of its own for any lines.
struct Transcript {
    struct Step {
        /// Where the command stands in the document.
        let line: Int
        var command: String
        var expected: [String] = []
    }

    private(set) var steps: [Step] = []
    /// The languages of the other blocks, with their text.
    private(set) var others: [(line: Int, language: String, text: [String])] = []

    init(_ document: String) {
        var fence: (line: Int, language: String, text: [String])?
        for (index, line) in document.components(separatedBy: "\n").enumerated() {
            guard line.hasPrefix("```") else {
                fence?.text.append(line)
                continue
            }
            if let (start, language, text) = fence {
                if language == "console" { read(text, from: start + 1) } else { others.append((start, language, text)) }
                fence = nil
            } else {
                fence = (index + 1, String(line.dropFirst(3)), [])
            }
        }
    }

    private mutating func read(_ lines: [String], from start: Int) {
        for (offset, line) in lines.enumerated() {
            if line.hasPrefix("$ ") {
                steps.append(Step(line: start + offset, command: String(line.dropFirst(2))))
            } else if line.hasPrefix("> "), steps.last?.expected.isEmpty == true {
                steps[steps.count - 1].command += "\n" + line.dropFirst(2)
            } else if !steps.isEmpty {
                steps[steps.count - 1].expected.append(line)
            }
        }
    }
}

extension Transcript.Step {
    /// Whether these lines are what the document says.
    func accepts(_ lines: ArraySlice<String>) -> Bool {
        Self.match(expected[...], lines)
    }

    private static func match(_ expected: ArraySlice<String>, _ lines: ArraySlice<String>) -> Bool {
        guard let first = expected.first else { return lines.isEmpty }
        if first == "…" {
            return (lines.startIndex...lines.endIndex).contains { match(expected.dropFirst(), lines[$0...]) }
        }
        guard let line = lines.first else { return false }
        return matches(first, line) && match(expected.dropFirst(), lines.dropFirst())
    }

    private static func matches(_ pattern: String, _ line: String) -> Bool {
        let pieces = pattern.components(separatedBy: "…")
        guard line.hasPrefix(pieces[0]) else { return false }
        guard pieces.count > 1 else { return line == pattern }
        var rest = line.dropFirst(pieces[0].count)
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            guard let range = rest.range(of: piece) else { return false }
            rest = rest[range.upperBound...]
        }
        return rest.hasSuffix(pieces[pieces.count - 1])
    }
}
