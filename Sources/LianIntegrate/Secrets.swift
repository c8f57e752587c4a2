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
        var status = stat()
        guard stat(path, &status) == 0 else {
            return .none(errno == ENOENT || errno == ENOTDIR ? .missing : .unreadable)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return .none(.unreadable) }
        guard status.st_mode & 0o7777 & ~0o600 == 0 else { return .none(.unsafeMode) }
        let opened = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard opened >= 0 else { return .none(errno == ENOENT ? .missing : .unreadable) }
        let file = FileDescriptor(owning: opened)
        // What is open now may be another file than the one that was looked at.
        var openedStatus = stat()
        guard fstat(file.raw, &openedStatus) == 0, openedStatus.st_ino == status.st_ino,
            openedStatus.st_dev == status.st_dev, openedStatus.st_mode == status.st_mode
        else { return .none(.unreadable) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(file.raw, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { return .none(.unreadable) }
            if count == 0 { return bytes.isEmpty ? .none(.missing) : .value(bytes) }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= Self.sizeLimit else { return .none(.unreadable) }
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
