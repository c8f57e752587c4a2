import CCrypto
import Foundation
import LianSystem

/// The public key that a server must have, whoever vouches for it, and whatever name it goes by.
package struct PinnedKey: Equatable, Sendable {
    /// As libcurl takes it: "sha256//" and the digest of the key in base64.
    let digest: String

    private static let fileLimit = 1 << 20

    /// The key of the certificate in the file, in PEM.
    package init(certificateFile file: String) throws(UnusableAuthorities) {
        let pem: [UInt8]
        do throws(FileReadFailure) {
            pem = try readFile(file, limit: Self.fileLimit)
        } catch {
            throw UnusableAuthorities(reason: "cannot be read: \(error.reason)")
        }
        guard let digest = Self.digest(ofCertificate: pem) else {
            throw UnusableAuthorities(reason: "holds no certificate in PEM, or one that is damaged")
        }
        self.digest = digest
    }

    private static func digest(ofCertificate pem: [UInt8]) -> String? {
        guard let source = BIO_new_mem_buf(pem, Int32(pem.count)) else { return nil }
        defer {
            BIO_free(source)
            ERR_clear_error()
        }
        guard let certificate = PEM_read_bio_X509(source, nil, nil, nil) else { return nil }
        defer { X509_free(certificate) }
        let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), nil)
        guard count > 0 else { return nil }
        var key = [UInt8](repeating: 0, count: Int(count))
        let isWritten = key.withUnsafeMutableBufferPointer { bytes in
            var end = bytes.baseAddress
            return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &end) == count
        }
        guard isWritten else { return nil }
        var digest = [UInt8](repeating: 0, count: 32)
        guard EVP_Digest(key, key.count, &digest, nil, EVP_sha256(), nil) == 1 else { return nil }
        return "sha256//\(Data(digest).base64EncodedString())"
    }
}

/// By what a client shows who it is: its certificate and the key to it, in PEM.
package struct ClientIdentity: Equatable, Sendable {
    let certificate: [UInt8]
    let key: [UInt8]

    package init(certificate: [UInt8], key: [UInt8]) {
        self.certificate = certificate
        self.key = key
    }
}
