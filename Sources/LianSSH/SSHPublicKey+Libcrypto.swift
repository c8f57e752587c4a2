import CCrypto
import LianModel

extension SSHPublicKey {
    /// The public half of one of libcrypto's keys.
    init(of key: OpaquePointer, _ problems: KeyProblems) throws(LianError) {
        let blob: WireWriter? =
            switch EVP_PKEY_get_base_id(key) {
            case EVP_PKEY_EC: try Self.elliptic(key, problems)
            case EVP_PKEY_ED25519: Self.edwards(key)
            case EVP_PKEY_RSA: Self.rsa(key)
            default: throw problems.unreadableForm("of an algorithm that SSH does not use")
            }
        guard let blob, let read = SSHPublicKey(blob: blob.bytes) else { throw problems.damaged() }
        self = read
    }

    private static func elliptic(_ key: OpaquePointer, _ problems: KeyProblems) throws(LianError) -> WireWriter? {
        var name = [CChar](repeating: 0, count: 64)
        var length = 0
        guard EVP_PKEY_get_group_name(key, &name, name.count, &length) == 1 else { return nil }
        let group = String(decoding: name[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard let curve = EllipticCurve.all.first(where: { $0.group == group }) else {
            throw problems.unreadableForm("on the curve \(group), unknown to SSH")
        }
        var point: UnsafeMutablePointer<UInt8>?
        let count = EVP_PKEY_get1_encoded_public_key(key, &point)
        defer { CRYPTO_free(point, nil, 0) }
        guard let point, count > 0 else { return nil }
        var blob = WireWriter()
        blob.string("ecdsa-sha2-\(curve.name)".utf8)
        blob.string(curve.name.utf8)
        blob.string(Array(UnsafeBufferPointer(start: point, count: count)))
        return blob
    }

    private static func edwards(_ key: OpaquePointer) -> WireWriter? {
        var bytes = [UInt8](repeating: 0, count: 32)
        var size = bytes.count
        guard EVP_PKEY_get_raw_public_key(key, &bytes, &size) == 1 else { return nil }
        var blob = WireWriter()
        blob.string("ssh-ed25519".utf8)
        blob.string(bytes)
        return blob
    }

    private static func rsa(_ key: OpaquePointer) -> WireWriter? {
        var blob = WireWriter()
        blob.string("ssh-rsa".utf8)
        for name in [OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_N] {
            var number: OpaquePointer?
            guard EVP_PKEY_get_bn_param(key, name, &number) == 1 else { return nil }
            defer { BN_free(number) }
            blob.number(number)
        }
        return blob
    }
}

/// A curve that SSH has keys on, by both of its names.
struct EllipticCurve {
    let name: String
    /// As libcrypto names it.
    let group: String

    static let all = [
        EllipticCurve(name: "nistp256", group: "prime256v1"), EllipticCurve(name: "nistp384", group: "secp384r1"),
        EllipticCurve(name: "nistp521", group: "secp521r1"),
    ]
}

extension WireWriter {
    /// One of libcrypto's numbers, none of which is negative here (RFC 4251's mpint).
    mutating func number(_ number: OpaquePointer?) {
        var bytes = [UInt8](repeating: 0, count: Int(BN_bn2mpi(number, nil)))
        BN_bn2mpi(number, &bytes)
        raw(bytes)
    }
}
