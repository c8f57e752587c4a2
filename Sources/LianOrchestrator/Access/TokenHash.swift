import CCrypto
import LianModel

/// The SHA-256 of a token: the token itself is kept nowhere.
package struct TokenHash: Equatable, Sendable, CustomStringConvertible {
    private let bytes: [UInt8]

    private static let prefix = "sha256:"

    package init(of token: some Sequence<UInt8>) {
        bytes = sha256(Array(token))
    }

    /// nil where the text is not of the form that `description` has.
    package init?(_ text: String) {
        guard text.hasPrefix(Self.prefix),
            let bytes = LianModel.bytes(ofHexadecimal: text.dropFirst(Self.prefix.count)),
            bytes.count == 32
        else { return nil }
        self.bytes = bytes
    }

    package var description: String { Self.prefix + hexadecimal(bytes) }

    /// Takes the same time however much of the two is equal.
    func isSame(as other: TokenHash) -> Bool {
        zip(bytes, other.bytes).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
    return digest
}
