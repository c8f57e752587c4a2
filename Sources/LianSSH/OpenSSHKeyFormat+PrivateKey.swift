import CCrypto
import LianModel

extension OpenSSHKeyFormat.Head {
    /// The private half of a key that is not encrypted, as libcrypto has it; nil where it does not decode.
    func privateKey() -> OpaquePointer? {
        var reader = SSHWireReader(secret)
        do {
            // The two say that a passphrase was right; without one they are a check of the file.
            guard try reader.number() == reader.number(), try reader.text() == publicKey.algorithm else { return nil }
            switch publicKey.algorithm {
            case "ssh-ed25519": return try Self.edwards(&reader)
            case "ssh-rsa": return try Self.rsa(&reader)
            default: return try Self.elliptic(&reader)
            }
        } catch {
            return nil
        }
    }

    private static func edwards(_ reader: inout SSHWireReader) throws(SSHWireReader.Truncated) -> OpaquePointer? {
        _ = try reader.string()
        let both = try reader.string()
        guard both.count == 64 else { return nil }
        return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, both, 32)
    }

    private static func rsa(_ reader: inout SSHWireReader) throws(SSHWireReader.Truncated) -> OpaquePointer? {
        let parts = KeyParts()
        for name in [OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D] {
            parts.add(name, number: try reader.string())
        }
        return parts.key("RSA")
    }

    private static func elliptic(_ reader: inout SSHWireReader) throws(SSHWireReader.Truncated) -> OpaquePointer? {
        let name = try reader.text()
        guard let curve = EllipticCurve.all.first(where: { $0.name == name }) else { return nil }
        let point = try reader.string()
        let parts = KeyParts()
        parts.add(OSSL_PKEY_PARAM_GROUP_NAME, text: curve.group)
        parts.add(OSSL_PKEY_PARAM_PUB_KEY, bytes: point)
        parts.add(OSSL_PKEY_PARAM_PRIV_KEY, number: try reader.string())
        return parts.key("EC")
    }
}

/// What libcrypto makes a key of: numbers and texts by their names.
private final class KeyParts {
    private let list: OpaquePointer?
    private var numbers: [OpaquePointer] = []
    /// The list refers to these, names among them, until the key is made.
    private var texts: [UnsafeMutableRawBufferPointer] = []
    private var isWhole = true

    init() {
        list = OSSL_PARAM_BLD_new()
    }

    deinit {
        OSSL_PARAM_BLD_free(list)
        for number in numbers { BN_clear_free(number) }
        for text in texts { text.deallocate() }
    }

    func add(_ name: String, number bytes: [UInt8]) {
        guard let number = BN_bin2bn(bytes, Int32(bytes.count), nil) else { return isWhole = false }
        numbers.append(number)
        note(OSSL_PARAM_BLD_push_BN(list, lasting(name), number))
    }

    func add(_ name: String, text: String) {
        let copy = copy(text.utf8)
        note(OSSL_PARAM_BLD_push_utf8_string(list, lasting(name), copy.baseAddress, copy.count))
    }

    func add(_ name: String, bytes: [UInt8]) {
        let copy = copy(bytes)
        note(OSSL_PARAM_BLD_push_octet_string(list, lasting(name), copy.baseAddress, copy.count))
    }

    func key(_ type: String) -> OpaquePointer? {
        guard isWhole, let parameters = OSSL_PARAM_BLD_to_param(list) else { return nil }
        defer { OSSL_PARAM_free(parameters) }
        guard let context = EVP_PKEY_CTX_new_from_name(nil, type, nil) else { return nil }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_fromdata_init(context) == 1,
            EVP_PKEY_fromdata(context, &key, lian_whole_key, parameters) == 1
        else { return nil }
        return key
    }

    private func note(_ code: Int32) {
        if code != 1 { isWhole = false }
    }

    private func lasting(_ name: String) -> UnsafePointer<CChar>? {
        UnsafePointer(copy(Array(name.utf8) + [0]).baseAddress?.assumingMemoryBound(to: CChar.self))
    }

    private func copy(_ bytes: some Collection<UInt8>) -> UnsafeMutableRawBufferPointer {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        copy.copyBytes(from: bytes)
        texts.append(copy)
        return copy
    }
}
