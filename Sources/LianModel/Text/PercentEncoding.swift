/// A part of a URL, decoded; nil where an escape is broken or the result is not valid text.
package func percentDecoded(_ text: some StringProtocol) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        let digits = rest.prefix(2)
        guard digits.count == 2, digits.allSatisfy(Identifier.isHexDigit),
            let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
        else { return nil }
        bytes.append(value)
        rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
}

/// As one segment of a URL's path, or one value of its query.
package func percentEncoded(_ text: String) -> String {
    text.utf8.map { byte in
        Identifier.isAlphanumeric(byte) || "-._~".utf8.contains(byte)
            ? String(Unicode.Scalar(byte)) : "%\(hexadecimal([byte]).uppercased())"
    }.joined()
}

/// A URL's query, with its question mark; nothing where there is nothing to ask.
package func urlQuery(_ query: [String: String]) -> String {
    let pairs = query.sorted { $0.key < $1.key }.map { "\($0.key)=\(percentEncoded($0.value))" }
    return pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
}
