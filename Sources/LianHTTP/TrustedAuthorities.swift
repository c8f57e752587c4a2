import CCrypto
import LianSystem

/// Authorities whose certificates are trusted beside the system's.
package struct TrustedAuthorities: Equatable, Sendable {
    /// One certificate in PEM after the other.
    let pem: [UInt8]

    private static let fileLimit = 1 << 20

    package init(file: String) throws(UnusableAuthorities) {
        do throws(FileReadFailure) {
            pem = try readFile(file, limit: Self.fileLimit)
        } catch {
            throw UnusableAuthorities(reason: "cannot be read: \(error.reason)")
        }
        guard Self.areCertificates(pem) else {
            throw UnusableAuthorities(reason: "holds no certificates in PEM, or one that is damaged")
        }
    }

    private static func areCertificates(_ pem: [UInt8]) -> Bool {
        guard let source = BIO_new_mem_buf(pem, Int32(pem.count)) else { return false }
        defer {
            BIO_free(source)
            ERR_clear_error()
        }
        ERR_clear_error()
        var count = 0
        while let certificate = PEM_read_bio_X509(source, nil, nil, nil) {
            X509_free(certificate)
            count += 1
        }
        // At the end of the text OpenSSL misses the first line of another certificate.
        return count > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE
    }
}

package struct UnusableAuthorities: Error, Equatable, Sendable {
    /// To be put behind the name of the file: "cannot be read: …".
    package let reason: String
}
