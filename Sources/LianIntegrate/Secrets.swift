import CCrypto
import Glibc
import LianModel
import LianSystem

/// Looks for secrets where they are said to be delivered, and shows no more of them than a fingerprint.
struct SecretProbe: Sendable {
    let environment: [String: String]
    let requestID: String

    private static let sizeLimit = 1 << 20
    /// A fingerprint of something shorter could be guessed back.
    private static let shortestFingerprinted = 16

    func probe(_ secret: DeliveredSecret) -> IntegrationAnswer.Secret {
        let found: Found
        switch secret.delivery {
        case .environment(let name): found = .text(environment[name])
        case .inline(let value): found = .text(value)
        case .file(let path): found = read(path)
        }
        switch found {
        case .value(let bytes):
            return IntegrationAnswer.Secret(name: secret.name, status: .resolved, fingerprint: fingerprint(bytes))
        case .none(let status):
            return IntegrationAnswer.Secret(name: secret.name, status: status, fingerprint: nil)
        }
    }

    private enum Found {
        case value([UInt8])
        case none(IntegrationAnswer.SecretStatus)

        static func text(_ text: String?) -> Found {
            guard let text, !text.isEmpty else { return .none(.missing) }
            return .value(Array(text.utf8))
        }
    }

    /// A regular file that none but its owner may read. Whatever else stands there is not opened: a pipe would wait for
    /// a writer, and a device may act on it.
    private func read(_ path: String) -> Found {
        do {
            let file = try RegularFile.open(path)
            guard file.status.st_mode & 0o7777 & ~0o600 == 0 else { return .none(.unsafeMode) }
            let bytes = try file.read(limit: Self.sizeLimit)
            return bytes.isEmpty ? .none(.missing) : .value(bytes)
        } catch {
            guard case .system(let error) = error, [ENOENT, ENOTDIR].contains(error.code) else {
                return .none(.unreadable)
            }
            return .none(.missing)
        }
    }

    /// The first 12 hex digits of HMAC-SHA256 over the value, keyed by the request.
    func fingerprint(_ value: [UInt8]) -> String? {
        guard value.count >= Self.shortestFingerprinted else { return nil }
        let key = Array(requestID.utf8)
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        guard HMAC(EVP_sha256(), key, Int32(key.count), value, value.count, &digest, &length) != nil, length == 32
        else { return nil }
        let digits = Array("0123456789abcdef".utf8)
        let hex = digest.prefix(6).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return "hmac-sha256:" + String(decoding: hex, as: UTF8.self)
    }
}
