import CCrypto

/// A SHA-256 that grows piece by piece.
package final class SHA256 {
    private let context: OpaquePointer?

    package init() {
        context = EVP_MD_CTX_new()
        EVP_DigestInit_ex(context, EVP_sha256(), nil)
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    package func update(_ bytes: some ContiguousBytes) {
        bytes.withBytes { _ = EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    }

    /// A number as eight bytes, the lowest first.
    package func update(littleEndian number: Int) {
        update((0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })
    }

    /// To be called once, at the end.
    package func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_DigestFinal_ex(context, &digest, nil)
        return digest
    }

    package static func of(_ bytes: some ContiguousBytes) -> [UInt8] {
        let hash = SHA256()
        hash.update(bytes)
        return hash.finish()
    }
}

/// Bytes that lie side by side in memory.
package protocol ContiguousBytes {
    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void)
}

extension [UInt8]: ContiguousBytes {
    package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { withUnsafeBytes(body) }
}

extension ArraySlice<UInt8>: ContiguousBytes {
    package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { withUnsafeBytes(body) }
}
