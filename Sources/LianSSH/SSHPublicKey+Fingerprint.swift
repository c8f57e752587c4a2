import CCrypto
import FoundationEssentials
import LianModel

extension SSHPublicKey {
    /// As ssh-keygen -l shows it.
    package var fingerprint: String {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_Digest(blob, blob.count, &digest, nil, EVP_sha256(), nil)
        return "SHA256:" + Data(digest).base64EncodedString().filter { $0 != "=" }
    }

    /// For messages.
    package var description: String { "\(algorithm) \(fingerprint)" }
}
