import LianTestSupport

/// Numbers as nobody means them: beyond every range, below zero, without an end, not a number, not in ASCII.
let strangeNumbers = [
    "0", "-0", "-1", "+5", "007", "255", "256", "2147483647", "-2147483648", "4294967296", "9223372036854775807",
    "-9223372036854775808", "9223372036854775808", "18446744073709551616", String(repeating: "9", count: 400), "1e300",
    "-1e300", "1e308", "1e400", "5e-324", "1.7976931348623157e308", "nan", "-nan", "inf", "-inf", "infinity",
    "0x7fffffffffffffff", "0x1p1023", "1.", ".5", "1_000", "٣", "0.\(String(repeating: "0", count: 400))1", "",
]

/// The same text with a few things wrong: numbers, lines that are cut, doubled or elsewhere, nests without an end, bytes
/// that are no UTF-8.
func bent(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...6, using: &random) {
        guard !bytes.isEmpty else { return bytes }
        let start = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<9, using: &random) {
        case 0...3:
            guard let digit = bytes[start...].firstIndex(where: isOfANumber) else { continue }
            let end = bytes[digit...].firstIndex { !isOfANumber($0) } ?? bytes.endIndex
            bytes.replaceSubrange(digit..<end, with: random.pick(strangeNumbers).utf8)
        case 4: bytes.removeSubrange(start..<endOfLine(start, bytes))
        case 5: bytes.insert(contentsOf: bytes[start..<endOfLine(start, bytes)], at: 0)
        case 6: bytes.insert(contentsOf: random.pick(noUTF8), at: start)
        case 7:
            let nest = String(
                repeating: random.pick(["[", "{\"a\":", "(", "\""]), count: random.pick([3, 127, 129, 2000]))
            bytes.insert(contentsOf: nest.utf8, at: start)
        default: bytes = mutated(bytes, &random)
        }
    }
    return bytes
}

/// The bytes in pieces of any size, as they come over a connection.
func pieces(of bytes: [UInt8], _ random: inout SeededGenerator) -> [[UInt8]] {
    let longest = random.pick([1, 7, 100, 100_000])
    var pieces: [[UInt8]] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        pieces.append(Array(rest.prefix(Int.random(in: 1...longest, using: &random))))
        rest = rest.dropFirst(pieces[pieces.count - 1].count)
    }
    return pieces
}

private let noUTF8: [[UInt8]] = [
    [0xFF], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF8, 0x88], [0x00], [0x0D], [0x80],
]

private func isOfANumber(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".")
}

private func endOfLine(_ start: Int, _ bytes: [UInt8]) -> Int {
    bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
}
