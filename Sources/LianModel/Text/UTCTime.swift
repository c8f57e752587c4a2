/// A moment in UTC, to the millisecond, in the two forms that the wire uses.
package struct UTCTime: Equatable, Comparable, Sendable {
    package let milliseconds: Int

    /// Milliseconds since 1970.
    package init(milliseconds: Int) {
        self.milliseconds = milliseconds
    }

    package static func < (left: UTCTime, right: UTCTime) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// `2026-01-01T00:00:00.000Z`
    package var rfc3339: String {
        let (days, inDay) = milliseconds.quotientRoundedDown(by: 86_400_000)
        let date = CivilDate(daysSince1970: days)
        let (seconds, fraction) = inDay.quotientRoundedDown(by: 1000)
        return padded(date.year, 4) + "-" + padded(date.month, 2) + "-" + padded(date.day, 2) + "T"
            + padded(seconds / 3600, 2) + ":" + padded(seconds / 60 % 60, 2) + ":" + padded(seconds % 60, 2)
            + "." + padded(fraction, 3) + "Z"
    }

    /// RFC 3339, with an offset or Z.
    package init?(rfc3339 text: String) {
        var scanner = Scanner(text)
        guard let year = scanner.digits(4), scanner.take("-"), let month = scanner.digits(2), scanner.take("-"),
            let day = scanner.digits(2), scanner.take("T") || scanner.take("t") || scanner.take(" "),
            let hour = scanner.digits(2), scanner.take(":"), let minute = scanner.digits(2), scanner.take(":"),
            let second = scanner.digits(2)
        else { return nil }
        var fraction = 0
        if scanner.take(".") {
            guard let milliseconds = scanner.fractionInMilliseconds() else { return nil }
            fraction = milliseconds
        }
        var offset = 0
        if !scanner.take("Z"), !scanner.take("z") {
            let isEast = scanner.take("+")
            guard isEast || scanner.take("-"), let hours = scanner.digits(2), hours < 24, scanner.take(":"),
                let minutes = scanner.digits(2), minutes < 60
            else { return nil }
            offset = (isEast ? 1 : -1) * (hours * 60 + minutes)
        }
        guard scanner.isAtEnd,
            let seconds = secondsSince1970(
                year: year, month: month, day: day, hour: hour, minute: minute, second: second)
        else { return nil }
        milliseconds = (seconds - offset * 60) * 1000 + fraction
    }
}

private func secondsSince1970(year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int) -> Int? {
    // 60 is a leap second.
    guard (0...9999).contains(year), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60,
        second <= 60
    else { return nil }
    let date = CivilDate(year: year, month: month, day: day)
    guard CivilDate(daysSince1970: date.daysSince1970) == date else { return nil }
    return ((date.daysSince1970 * 24 + hour) * 60 + minute) * 60 + second
}

/// A day of the Gregorian calendar. Years are counted from March here, which puts the leap day last.
private struct CivilDate: Equatable {
    let year: Int
    let month: Int
    let day: Int

    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// Days from 0000-03-01 to 1970-01-01.
    private static let shift = 719_468
    private static let daysPerEra = 146_097

    init(daysSince1970 days: Int) {
        let (era, dayOfEra) = (days + Self.shift).quotientRoundedDown(by: Self.daysPerEra)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int {
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).quotientRoundedDown(by: 400)
        let monthFromMarch = month > 2 ? month - 3 : month + 9
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * Self.daysPerEra + dayOfEra - Self.shift
    }
}

extension Int {
    /// Rounded towards minus infinity, so that the remainder is never negative.
    fileprivate func quotientRoundedDown(by divisor: Int) -> (quotient: Int, remainder: Int) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

private func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}

private struct Scanner {
    private var rest: Substring.UTF8View

    init(_ text: String) {
        rest = Substring(text).utf8
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let first = rest.first, UInt32(first) == character.value else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func digits(_ count: Int) -> Int? {
        var value = 0
        for _ in 0..<count {
            guard let byte = rest.first, Identifier.isDigit(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
            rest = rest.dropFirst()
        }
        return value
    }

    /// Reads one digit or more; anything finer than a millisecond is cut off.
    mutating func fractionInMilliseconds() -> Int? {
        var value = 0
        var count = 0
        while let byte = rest.first, Identifier.isDigit(byte) {
            if count < 3 { value = value * 10 + Int(byte - UInt8(ascii: "0")) }
            count += 1
            rest = rest.dropFirst()
        }
        guard count > 0 else { return nil }
        for _ in min(count, 3)..<3 { value *= 10 }
        return value
    }
}
