import LianModel

extension TOMLReader {
    /// A whole number or a float; nil, and nothing read, where none stands here. What follows the longest number that
    /// can be read is for the caller to judge.
    mutating func number() throws(TOMLError) -> TOMLValue? {
        let start = position
        if let value = try prefixedInteger() { return value }
        if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
        if take("inf") { return .float(bytes[start] == UInt8(ascii: "-") ? -.infinity : .infinity) }
        if take("nan") { return .float(.nan) }
        guard take(UInt8(ascii: "0")) || takeDigits(radix: 10) else {
            position = start
            return nil
        }
        let hasFraction = takeFraction()
        let hasExponent = takeExponent()
        let digits = text(start..<position).filter { $0 != "_" }
        if hasFraction || hasExponent {
            guard let value = Double(digits) else { throw failure("this is no number", at: start) }
            return .float(value)
        }
        return .integer(try integer(digits, radix: 10, at: start))
    }

    private mutating func prefixedInteger() throws(TOMLError) -> TOMLValue? {
        let start = position
        let kinds: [(prefix: String, radix: Int)] = [("0x", 16), ("0o", 8), ("0b", 2)]
        for kind in kinds where take(kind.prefix) {
            let digits = position
            guard takeDigits(radix: kind.radix) else { throw failure("a digit is missing in a number", at: start) }
            return .integer(
                try integer(text(digits..<position).filter { $0 != "_" }, radix: kind.radix, at: start))
        }
        return nil
    }

    private func integer(_ digits: String, radix: Int, at start: Int) throws(TOMLError) -> Int64 {
        guard let value = Int64(digits, radix: radix) else {
            throw failure("a whole number is out of range: 64 bits, with a sign", at: start)
        }
        return value
    }

    /// `.` and digits, both or none.
    private mutating func takeFraction() -> Bool {
        let start = position
        if take(UInt8(ascii: ".")), takeDigits(radix: 10) { return true }
        position = start
        return false
    }

    /// `e`, a sign where there is one, and digits; all or none.
    private mutating func takeExponent() -> Bool {
        let start = position
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            if takeDigits(radix: 10) { return true }
        }
        position = start
        return false
    }

    /// Digits with single underscores between them.
    private mutating func takeDigits(radix: Int) -> Bool {
        let start = position
        var end = start
        while let byte = peek() {
            if Self.isDigit(byte, radix: radix) {
                position += 1
                end = position
            } else if byte == UInt8(ascii: "_"), position == end, end > start {
                position += 1
            } else {
                break
            }
        }
        position = end
        return end > start
    }

    static func isDigit(_ byte: UInt8, radix: Int) -> Bool {
        (Character(Unicode.Scalar(byte)).hexDigitValue ?? radix) < radix
    }

    // MARK: Dates and times

    /// A date, a time or both; nil, and nothing read, where neither stands here.
    mutating func dateTime() throws(TOMLError) -> TOMLValue? {
        let start = position
        if let date = takeDate() {
            guard date.exists else { throw failure("this day does not exist", at: start) }
            let end = position
            let isFollowed = take(UInt8(ascii: "T")) || take(UInt8(ascii: "t")) || take(UInt8(ascii: " "))
            if isFollowed, takeTime() { takeOffset() } else { position = end }
        } else if !takeTime() {
            return nil
        }
        return .dateTime(text(start..<position))
    }

    private struct Day {
        var year: Int
        var month: Int
        var day: Int

        /// Of years from 1 on: there are none before for Python.
        var exists: Bool {
            let isLeapYear = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let days = [31, isLeapYear ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            return year >= 1 && day <= days[month - 1]
        }
    }

    private mutating func takeDate() -> Day? {
        let start = position
        if let year = takeNumber(digits: 4, in: 0...9999), take(UInt8(ascii: "-")),
            let month = takeNumber(digits: 2, in: 1...12), take(UInt8(ascii: "-")),
            let day = takeNumber(digits: 2, in: 1...31)
        {
            return Day(year: year, month: month, day: day)
        }
        position = start
        return nil
    }

    private mutating func takeTime() -> Bool {
        let start = position
        guard takeHourAndMinute(), take(UInt8(ascii: ":")), takeNumber(digits: 2, in: 0...59) != nil else {
            position = start
            return false
        }
        let end = position
        if take(UInt8(ascii: ".")), let byte = peek(), Identifier.isDigit(byte) {
            while let byte = peek(), Identifier.isDigit(byte) { position += 1 }
        } else {
            position = end
        }
        return true
    }

    private mutating func takeOffset() {
        if take(UInt8(ascii: "Z")) || take(UInt8(ascii: "z")) { return }
        let start = position
        if take(UInt8(ascii: "+")) || take(UInt8(ascii: "-")), takeHourAndMinute() { return }
        position = start
    }

    private mutating func takeHourAndMinute() -> Bool {
        takeNumber(digits: 2, in: 0...23) != nil && take(UInt8(ascii: ":")) && takeNumber(digits: 2, in: 0...59) != nil
    }

    private mutating func takeNumber(digits: Int, in range: ClosedRange<Int>) -> Int? {
        let found = bytes[position...].prefix(digits)
        guard found.count == digits, found.allSatisfy(Identifier.isDigit), let number = Int(text(found.indices)),
            range.contains(number)
        else { return nil }
        position += digits
        return number
    }
}
