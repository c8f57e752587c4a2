extension TOMLReader {
    /// In any of the four kinds of quotes.
    mutating func string() throws(TOMLError) -> String {
        if take("\"\"\"") { return try linesString(UInt8(ascii: "\"")) }
        if take("'''") { return try linesString(UInt8(ascii: "'")) }
        return try lineString()
    }

    /// Between one quote and the next, on one line.
    mutating func lineString() throws(TOMLError) -> String {
        let start = position
        let quote = bytes[position]
        position += 1
        var content: [UInt8] = []
        while let byte = peek() {
            if take(quote) { return String(decoding: content, as: UTF8.self) }
            guard byte != Self.newline else { throw failure("a text in quotes is not closed", at: start) }
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                try escape(into: &content)
            } else {
                try character(into: &content)
            }
        }
        throw failure("a text in quotes is not closed", at: start)
    }

    /// Between three quotes and the next three; their opening was read.
    private mutating func linesString(_ quote: UInt8) throws(TOMLError) -> String {
        let start = position - 3
        let end = [quote, quote, quote]
        var content: [UInt8] = []
        _ = take(Self.newline)
        while let byte = peek() {
            if bytes[position...].starts(with: end) {
                position += 3
                // Of up to five quotes, the last three are the end.
                for _ in 0..<2 where take(quote) { content.append(quote) }
                return String(decoding: content, as: UTF8.self)
            }
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                if !skipLineEnd() { try escape(into: &content) }
            } else if take(Self.newline) {
                content.append(Self.newline)
            } else {
                try character(into: &content)
            }
        }
        throw failure("a text in three quotes is not closed", at: start)
    }

    private mutating func character(into content: inout [UInt8]) throws(TOMLError) {
        guard !Self.isControl(bytes[position]) else { throw failure("a control character stands bare in a text") }
        content.append(bytes[position])
        position += 1
    }

    /// A backslash at a line's end takes away that end, and all space and empty lines after it.
    private mutating func skipLineEnd() -> Bool {
        let start = position
        position += 1
        skipSpace()
        guard peek() == Self.newline else {
            position = start
            return false
        }
        repeat { skipSpace() } while take(Self.newline)
        return true
    }

    private mutating func escape(into content: inout [UInt8]) throws(TOMLError) {
        let start = position
        position += 1
        let letter = peek()
        position += 1
        switch letter {
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): content.append(bytes[position - 1])
        case UInt8(ascii: "u"): content.append(contentsOf: try scalar(digits: 4, at: start).utf8)
        case UInt8(ascii: "U"): content.append(contentsOf: try scalar(digits: 8, at: start).utf8)
        default: throw failure("'\\' is followed by no known escape", at: start)
        }
    }

    private mutating func scalar(digits: Int, at start: Int) throws(TOMLError) -> String {
        let code = bytes[position...].prefix(digits)
        guard code.count == digits, code.allSatisfy({ Self.isDigit($0, radix: 16) }),
            let number = UInt32(text(code.indices), radix: 16), let scalar = Unicode.Scalar(number)
        else { throw failure("an escape needs \(digits) hex digits of a Unicode character", at: start) }
        position += digits
        return String(Character(scalar))
    }
}
