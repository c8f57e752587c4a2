import CCrypto

/// RFC 4648, with padding, on one line.
package enum Base64 {
    package static func encode(_ bytes: [UInt8]) -> String {
        var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
        let count = EVP_EncodeBlock(&text, bytes, Int32(bytes.count))
        return String(decoding: text.prefix(Int(count)), as: UTF8.self)
    }

    package static func decode(_ text: String) -> [UInt8]? {
        let source = Array(text.utf8)
        let padding = source.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard !source.isEmpty, source.count % 4 == 0,
            source.dropLast(padding).allSatisfy({ $0 != UInt8(ascii: "=") && $0 > 0x20 })
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: source.count / 4 * 3)
        guard EVP_DecodeBlock(&bytes, source, Int32(source.count)) == bytes.count else { return nil }
        return bytes.dropLast(padding)
    }
}
