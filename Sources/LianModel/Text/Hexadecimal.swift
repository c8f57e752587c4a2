/// Two digits for each byte, in lower case.
package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { $0 < 16 ? "0\(String($0, radix: 16))" : String($0, radix: 16) }.joined()
}

/// The bytes that the digits stand for, of either case; nil where they are no such digits.
package func bytes(ofHexadecimal text: some StringProtocol) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
        let pair = digits[index...index + 1]
        guard pair.allSatisfy(Identifier.isHexDigit), let byte = UInt8(String(decoding: pair, as: UTF8.self), radix: 16)
        else { return nil }
        bytes.append(byte)
    }
    return bytes
}
