import CCrypto

/// A user's nkey: the Ed25519 key that NATS knows a client by.
package struct NKey: Sendable {
    /// `U…`, the form in which the server's configuration names the user.
    package let publicKey: String
    private let seed: [UInt8]

    package enum Invalid: Error, Equatable, Sendable, CustomStringConvertible {
        case notBase32
        case wrongLength
        case brokenChecksum
        case notASeed
        case notAUsers
        case unusable

        package var description: String {
            switch self {
            case .notBase32: "it holds characters that no nkey holds"
            case .wrongLength: "a seed has 58 characters, this has not"
            case .brokenChecksum: "its checksum does not hold: a character is wrong"
            case .notASeed: "it is an nkey but no seed; a user's seed starts with SU"
            case .notAUsers: "it is the seed of another role than a user's, which starts with SU"
            case .unusable: "the cryptographic library does not take it"
            }
        }
    }

    private static let seedPrefix: UInt8 = 18 << 3
    private static let userPrefix: UInt8 = 20 << 3

    /// Two bytes of prefix, 32 of the key, two of the checksum.
    package init(seed text: String) throws(Invalid) {
        guard let raw = Base32.decode(text) else { throw .notBase32 }
        guard text.utf8.count == 58 else { throw .wrongLength }
        guard crc16(raw.dropLast(2)) == UInt16(raw[34]) | UInt16(raw[35]) << 8 else { throw .brokenChecksum }
        guard raw[0] & 0xF8 == Self.seedPrefix else { throw .notASeed }
        guard raw[0] << 5 | raw[1] >> 3 == Self.userPrefix else { throw .notAUsers }
        seed = Array(raw[2..<34])
        guard let key = Self.privateKey(seed) else { throw .unusable }
        defer { EVP_PKEY_free(key) }
        var publicBytes = [UInt8](repeating: 0, count: 32)
        var length = publicBytes.count
        guard EVP_PKEY_get_raw_public_key(key, &publicBytes, &length) == 1, length == 32 else { throw .unusable }
        let body = [Self.userPrefix] + publicBytes
        let checksum = crc16(body[...])
        publicKey = Base32.encode(body + [UInt8(truncatingIfNeeded: checksum), UInt8(checksum >> 8)])
    }

    /// 64 bytes; nil where the library fails.
    package func signature(of message: [UInt8]) -> [UInt8]? {
        guard let key = Self.privateKey(seed), let context = EVP_MD_CTX_new() else { return nil }
        defer {
            EVP_MD_CTX_free(context)
            EVP_PKEY_free(key)
        }
        var signature = [UInt8](repeating: 0, count: 64)
        var length = signature.count
        guard EVP_DigestSignInit(context, nil, nil, nil, key) == 1,
            EVP_DigestSign(context, &signature, &length, message, message.count) == 1, length == 64
        else { return nil }
        return signature
    }

    private static func privateKey(_ seed: [UInt8]) -> OpaquePointer? {
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count)
    }
}

/// RFC 4648 without padding.
private enum Base32 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)

    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for character in text.utf8 {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            buffer = buffer << 5 | UInt32(value)
            bits += 5
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> bits))
            }
        }
        return bytes
    }

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                text.append(alphabet[Int(buffer >> bits & 31)])
            }
        }
        if bits > 0 { text.append(alphabet[Int(buffer << (5 - bits) & 31)]) }
        return String(decoding: text, as: UTF8.self)
    }
}

/// CRC-16/XMODEM.
private func crc16(_ bytes: ArraySlice<UInt8>) -> UInt16 {
    var crc: UInt16 = 0
    for byte in bytes {
        crc ^= UInt16(byte) << 8
        for _ in 0..<8 { crc = crc & 0x8000 == 0 ? crc << 1 : crc << 1 ^ 0x1021 }
    }
    return crc
}
