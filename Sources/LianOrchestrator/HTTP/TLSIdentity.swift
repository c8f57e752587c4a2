import CMicrohttpd
import Glibc
import LianModel
import LianSystem

/// What the server shows of itself by TLS: its certificate with those of the authorities between, and the private key.
///
/// `@unchecked Sendable`: nothing in it changes after the initializer, and GnuTLS only reads it.
package final class TLSIdentity: @unchecked Sendable {
    /// A text in PEM, and what it is called in messages.
    package struct PEM: Sendable {
        package let name: String
        fileprivate let bytes: [UInt8]

        package init(name: String, bytes: [UInt8]) {
            self.name = name
            self.bytes = bytes
        }
    }

    let chain: UnsafeMutablePointer<gnutls_pcert_st>
    let chainLength: Int
    let key: gnutls_privkey_t

    private static let fileLimit = 1 << 20

    /// Reads both files. A key that others than its owner can read is refused: it may be known to them already.
    package static func read(
        certificateFile: String, keyFile: String, at now: time_t = time(nil)
    ) throws(ProviderError) -> TLSIdentity {
        let certificate = try pem(certificateFile, "the TLS certificate", isSecret: false)
        return try TLSIdentity(
            certificate: certificate, key: try pem(keyFile, "the TLS key", isSecret: true), at: now)
    }

    /// The same with a key that is in no file.
    package static func read(
        certificateFile: String, key: [UInt8], at now: time_t = time(nil)
    ) throws(ProviderError) -> TLSIdentity {
        let certificate = try pem(certificateFile, "the TLS certificate", isSecret: false)
        return try TLSIdentity(certificate: certificate, key: PEM(name: "of the configuration", bytes: key), at: now)
    }

    private static func pem(_ path: String, _ what: String, isSecret: Bool) throws(ProviderError) -> PEM {
        let mode: mode_t
        let bytes: [UInt8]
        do throws(FileReadFailure) {
            let file = try RegularFile.open(path)
            mode = file.status.st_mode
            bytes = try file.read(limit: fileLimit)
        } catch {
            throw ProviderError("\(what) \(path) cannot be read: \(error.reason)")
        }
        guard !isSecret || mode & 0o077 == 0 else {
            throw ProviderError("others can read \(what) \(path): make it its owner's alone by `chmod 600 \(path)`")
        }
        return PEM(name: path, bytes: bytes)
    }

    /// Throws where the two do not fit each other, or where clients would refuse the certificate for its time.
    package init(
        certificate: PEM, key keyText: PEM, at now: time_t = time(nil)
    ) throws(ProviderError) {
        let certificates = try Certificates(certificate)
        try certificates.checkTimes(certificate.name, at: now)
        let key = try Self.key(keyText)
        guard Self.isKey(key, of: certificates) else {
            gnutls_privkey_deinit(key)
            throw ProviderError(
                "the TLS key \(keyText.name) does not belong to the certificate \(certificate.name): give the key that "
                    + "the certificate was made for, and the server's own certificate as the first of its file")
        }
        chain = .allocate(capacity: certificates.count)
        chain.initialize(repeating: gnutls_pcert_st(), count: certificates.count)
        self.key = key
        var imported = 0
        for index in 0..<certificates.count {
            guard gnutls_pcert_import_x509(chain + index, certificates[index], 0) == GNUTLS_E_SUCCESS else { break }
            imported += 1
        }
        chainLength = imported
        guard imported == certificates.count else {
            throw ProviderError("the TLS certificate \(certificate.name) cannot be used")
        }
    }

    deinit {
        for index in 0..<chainLength { gnutls_pcert_deinit(chain + index) }
        chain.deallocate()
        gnutls_privkey_deinit(key)
    }

    private static func key(_ text: PEM) throws(ProviderError) -> gnutls_privkey_t {
        var made: gnutls_privkey_t?
        guard gnutls_privkey_init(&made) == GNUTLS_E_SUCCESS, let key = made else {
            throw ProviderError("there is no memory for the TLS key")
        }
        let status = withDatum(text.bytes) { gnutls_privkey_import_x509_raw(key, $0, GNUTLS_X509_FMT_PEM, nil, 0) }
        if status == GNUTLS_E_SUCCESS { return key }
        gnutls_privkey_deinit(key)
        if status == GNUTLS_E_DECRYPTION_FAILED {
            throw ProviderError(
                "the TLS key \(text.name) is encrypted, and nobody is there to be asked for its passphrase: give it "
                    + "without one, as `openssl pkey -in \(text.name)` writes it")
        }
        throw ProviderError("the TLS key \(text.name) is no private key in PEM: \(words(status))")
    }

    private static func isKey(_ key: gnutls_privkey_t, of certificates: borrowing Certificates) -> Bool {
        var made: gnutls_pubkey_t?
        guard gnutls_pubkey_init(&made) == GNUTLS_E_SUCCESS, let publicKey = made else { return false }
        defer { gnutls_pubkey_deinit(publicKey) }
        guard gnutls_pubkey_import_privkey(publicKey, key, 0, 0) == GNUTLS_E_SUCCESS else { return false }
        let flags = GNUTLS_KEYID_USE_SHA256.rawValue
        let ofKey = identifier { gnutls_pubkey_get_key_id(publicKey, flags, $0, $1) }
        return ofKey != nil && ofKey == identifier { gnutls_x509_crt_get_key_id(certificates[0], flags, $0, $1) }
    }

    private static func identifier(
        _ read: (UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<Int>) -> Int32
    ) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 64)
        var count = bytes.count
        guard read(&bytes, &count) == GNUTLS_E_SUCCESS else { return nil }
        return Array(bytes.prefix(count))
    }
}

/// The certificates of a text in PEM, at least one.
private struct Certificates: ~Copyable {
    private let list: UnsafeMutablePointer<gnutls_x509_crt_t?>
    let count: Int

    init(_ text: TLSIdentity.PEM) throws(ProviderError) {
        var made: UnsafeMutablePointer<gnutls_x509_crt_t?>?
        var size: UInt32 = 0
        let status = withDatum(text.bytes) {
            gnutls_x509_crt_list_import2(&made, &size, $0, GNUTLS_X509_FMT_PEM, 0)
        }
        guard status >= 0, let list = made, size > 0 else {
            throw ProviderError("the TLS certificate \(text.name) is no certificate in PEM: \(words(status))")
        }
        self.list = list
        count = Int(size)
    }

    deinit {
        for index in 0..<count { gnutls_x509_crt_deinit(list[index]) }
        lian_gnutls_free(list)
    }

    subscript(index: Int) -> gnutls_x509_crt_t? { list[index] }

    func checkTimes(_ name: String, at now: time_t) throws(ProviderError) {
        for index in 0..<count {
            let which = index == 0 ? "the TLS certificate \(name)" : "certificate \(index + 1) of \(name)"
            let (begin, end) = (
                gnutls_x509_crt_get_activation_time(list[index]), gnutls_x509_crt_get_expiration_time(list[index])
            )
            guard end > now else {
                throw ProviderError("\(which) expired at \(utc(end)): have it renewed, since every client refuses it")
            }
            guard begin <= now else {
                throw ProviderError(
                    "\(which) is valid from \(utc(begin)) on, and it is \(utc(now)) now: check this machine's clock")
            }
        }
    }
}

private func utc(_ seconds: time_t) -> String { UTCTime(milliseconds: seconds * 1000).rfc3339 }

private func withDatum<Value>(_ bytes: [UInt8], _ body: (UnsafePointer<gnutls_datum_t>) -> Value) -> Value {
    var bytes = bytes
    return bytes.withUnsafeMutableBufferPointer { buffer in
        var datum = gnutls_datum_t(data: buffer.baseAddress, size: UInt32(buffer.count))
        return body(&datum)
    }
}

/// GnuTLS's own, which are for people.
private func words(_ status: Int32) -> String { String(cString: gnutls_strerror(status)) }
