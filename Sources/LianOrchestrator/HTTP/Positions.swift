import CCrypto
import LianModel
import LianSystem

/// A position in the history as a client is given it. It is encrypted, since it would tell how much others build, by a
/// key of this process: a client begins anew after a restart.
struct Positions: Sendable {
    private let key = randomBytes(blockBytes)
    private static let blockBytes = 16

    func text(_ position: Int) -> String {
        // The zeros show that a text was made here.
        let bytes = withUnsafeBytes(of: Int64(position).bigEndian) { Array($0) }
        return hexadecimal(translated(bytes + [UInt8](repeating: 0, count: Self.blockBytes - bytes.count), by: 1))
    }

    /// nil where the text was not made here.
    func position(_ text: String) -> Int? {
        guard let block = bytes(ofHexadecimal: text), block.count == Self.blockBytes else { return nil }
        let bytes = translated(block, by: 0)
        guard bytes.count == Self.blockBytes, bytes.dropFirst(8).allSatisfy({ $0 == 0 }) else { return nil }
        return bytes.prefix(8).reduce(0) { $0 << 8 | Int($1) }
    }

    /// One block of AES, encrypted (1) or decrypted (0).
    private func translated(_ block: [UInt8], by direction: Int32) -> [UInt8] {
        guard let context = EVP_CIPHER_CTX_new() else { return [] }
        defer { EVP_CIPHER_CTX_free(context) }
        var result = [UInt8](repeating: 0, count: 2 * Self.blockBytes)
        var count: Int32 = 0
        guard EVP_CipherInit_ex(context, EVP_aes_128_ecb(), nil, key, nil, direction) == 1,
            EVP_CIPHER_CTX_set_padding(context, 0) == 1,
            EVP_CipherUpdate(context, &result, &count, block, Int32(block.count)) == 1
        else { return [] }
        return Array(result.prefix(Int(count)))
    }
}
