import FoundationEssentials

/// The bytes of a Go []byte in JSON; none where it is no base64.
func base64Decoded(_ text: String) -> [UInt8] {
    Data(base64Encoded: text).map(Array.init) ?? []
}

/// Seconds since 1970 of `2026-11-20T23:01:02.345678901Z`, also with an offset in place of the Z. Nil where it is no
/// such time.
func secondsOfTime(_ text: String) -> Double? {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int? {
        guard range.upperBound <= bytes.count, bytes[range].allSatisfy(Identifier.isDigit) else { return nil }
        return bytes[range].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }
    guard bytes.count >= 20, let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
        let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
        (1...12).contains(month)
    else { return nil }
    var position = 19
    var fraction = 0.0
    if bytes[position] == UInt8(ascii: ".") {
        var weight = 0.1
        position += 1
        while position < bytes.count, Identifier.isDigit(bytes[position]) {
            fraction += Double(bytes[position] - UInt8(ascii: "0")) * weight
            weight /= 10
            position += 1
        }
    }
    var offset = 0
    if position < bytes.count, bytes[position] != UInt8(ascii: "Z") {
        guard let hours = number((position + 1)..<(position + 3)), let minutes = number((position + 4)..<(position + 6))
        else { return nil }
        offset = (hours * 3600 + minutes * 60) * (bytes[position] == UInt8(ascii: "-") ? -1 : 1)
    }
    // Days since 1970 in the Gregorian calendar, years beginning in March so that a leap day is a year's last.
    let shifted = month <= 2 ? year - 1 : year
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    return Double(days * 86400 + hour * 3600 + minute * 60 + second - offset) + fraction
}
