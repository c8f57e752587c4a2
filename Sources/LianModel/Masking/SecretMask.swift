/// Takes secret values out of bytes, wherever they are printed: `***` replaces each stretch that belongs to one or more
/// of them. Text from others is masked before anything else is done to it: once it is cut, decoded or quoted, it may
/// show pieces of a secret that no mask recognizes.
package struct SecretMask: Sendable {
    private let values: ValueFinder

    /// Shorter values occur in every text, so they are not hidden.
    private static let shortest = 4
    /// A line may end within a secret because it was cut there. So many bytes of a secret or more are hidden even then.
    private static let shortestCut = 8
    private static let shortestNamed = 8
    private static let replacement = Array("***".utf8)

    package static let none = SecretMask([] as [[UInt8]])

    package init(_ secrets: [[UInt8]]) {
        values = ValueFinder(Set(secrets.flatMap(Self.forms)))
    }

    package init(_ secrets: [String]) {
        self.init(secrets.map { Array($0.utf8) })
    }

    /// The forms in which a secret may be shown. Logs show lines, so each line of the secret is a value.
    private static func forms(of secret: [UInt8]) -> [[UInt8]] {
        let forms = secret.split(whereSeparator: isLineBreak).flatMap(parts).flatMap { line in
            if let text = String(validating: line, as: UTF8.self) {
                // The line as it is, and as it is written in JSON or in a command that an engine quotes.
                return [Array(line), JSONValue.string(text).encodedBytes().dropFirst().dropLast()]
            }
            // A program that decoded the secret before us has replaced each byte that is not valid text by another
            // character.
            let readable = String(decoding: line, as: UTF8.self).unicodeScalars.split(separator: "\u{FFFD}")
            return [Array(line)] + readable.map { Array(String($0).utf8) }.filter { $0.count >= shortestCut }
        }
        return forms.filter { $0.count >= shortest }
    }

    /// What a program may take of a line: the line, what stands between the white space around it, and what stands behind
    /// a name, as in `NAME=VALUE`. Short words behind a name occur in other texts too.
    private static func parts(of line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        let name = line.firstIndex { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") }
        let named = name.map { trimmed(line[($0 + 1)...]) }
        return [line, trimmed(line)] + [named].compactMap { $0 }.filter { $0.count >= shortestNamed }
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        guard let end = line.lastIndex(where: { !isSpace($0) }) else { return [] }
        return line[...end].drop(while: isSpace)
    }

    private static func isLineBreak(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") }

    /// Masks a whole text.
    package func masked(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard !values.isEmpty else { return bytes }
        return bytes.withUnsafeBufferPointer { buffer in
            var state = ValueFinder.outside
            var hidden = HiddenStretches()
            search(buffer, from: 0, at: &state, &hidden)
            endLine(at: state, buffer.count, &hidden)
            return hidden.isEmpty ? bytes : hidden.take(buffer.count, of: buffer)[...]
        }
    }

    package func masked(_ text: String) -> String {
        values.isEmpty ? text : String(decoding: masked(Array(text.utf8)[...]), as: UTF8.self)
    }

    /// Masks a text that comes in pieces. Several streams may be used side by side.
    package func stream() -> Stream { Stream(mask: self) }

    package struct Stream: Sendable {
        private let mask: SecretMask
        /// The end of the text so far, as long as it may be the beginning of a value.
        private var held: [UInt8] = []
        private var hidden = HiddenStretches()
        private var state = ValueFinder.outside

        fileprivate init(mask: SecretMask) {
            self.mask = mask
        }

        /// What can be shown of these bytes and of those that were held back before.
        package mutating func masked(_ bytes: [UInt8]) -> [UInt8] {
            guard !mask.values.isEmpty else { return bytes }
            let start = held.count
            held += bytes
            held.withUnsafeBufferPointer { mask.search($0, from: start, at: &state, &hidden) }
            return release(held.count - mask.values.depth(of: state))
        }

        /// Returns what was held back, since nothing more comes.
        package mutating func finish() -> [UInt8] {
            mask.endLine(at: state, held.count, &hidden)
            state = ValueFinder.outside
            defer { hidden = HiddenStretches() }
            return release(held.count)
        }

        private mutating func release(_ count: Int) -> [UInt8] {
            guard count > 0 else { return [] }
            let shown = held.withUnsafeBufferPointer { hidden.take(count, of: $0) }
            held.removeFirst(count)
            return shown
        }
    }

    private func search(
        _ bytes: UnsafeBufferPointer<UInt8>, from start: Int, at state: inout ValueFinder.State,
        _ hidden: inout HiddenStretches
    ) {
        values.search(bytes, from: start, at: &state) { before, after, end in
            if Self.isLineBreak(bytes[end - 1]) { endLine(at: before, end - 1, &hidden) }
            let found = values.found(at: after)
            if found > 0 { hidden.add(end - found..<end) }
        }
    }

    /// A line ends here. No value contains a line break, so a long enough beginning of a value is one that was cut.
    private func endLine(at state: ValueFinder.State, _ end: Int, _ hidden: inout HiddenStretches) {
        let begun = values.depth(of: state)
        if begun >= Self.shortestCut { hidden.add(end - begun..<end) }
    }

    /// Which bytes of the text are hidden, as indices into the part that is not shown yet.
    private struct HiddenStretches: Sendable {
        /// In order; they neither overlap nor touch.
        private var stretches: [Range<Int>] = []
        /// Whether the text shown so far ends in a replacement. A stretch that continues there needs no second one.
        private var hasReplaced = false

        var isEmpty: Bool { stretches.isEmpty }

        /// Adds a stretch that does not end before those added earlier.
        mutating func add(_ stretch: Range<Int>) {
            var start = stretch.lowerBound
            while let last = stretches.last, last.upperBound >= start {
                start = min(start, last.lowerBound)
                stretches.removeLast()
            }
            stretches.append(start..<stretch.upperBound)
        }

        /// Returns what is shown of the first `count` bytes. From then on indices count from behind them.
        mutating func take(_ count: Int, of bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
            var shown: [UInt8] = []
            shown.reserveCapacity(count)
            var position = 0
            var taken = 0
            for stretch in stretches {
                guard stretch.lowerBound < count else { break }
                shown += bytes[position..<stretch.lowerBound]
                if stretch.lowerBound > 0 || !hasReplaced { shown += SecretMask.replacement }
                position = min(stretch.upperBound, count)
                if stretch.upperBound <= count { taken += 1 }
            }
            shown += bytes[position..<count]
            hasReplaced = position == count && position > 0
            stretches.removeFirst(taken)
            stretches = stretches.map { max(0, $0.lowerBound - count)..<$0.upperBound - count }
            return shown
        }
    }
}
