import Glibc
import LianSystem

/// Where a key is: `env:NAME`, `file:PATH` or a path.
package struct KeySource: Sendable {
    package enum Content: Sendable {
        case pem([UInt8])
        /// The key's own 32 bytes.
        case raw([UInt8])
    }

    package let content: Content
    /// As the caller named it.
    package let name: String
    /// Others than its owner can read the file.
    package let isReadByOthers: Bool

    package init(_ given: String, _ surroundings: Surroundings) throws(CloacinaError) {
        name = given
        if given.hasPrefix("env:") {
            let variable = String(given.dropFirst(4))
            guard let text = surroundings.environment[variable], !text.isEmpty else {
                throw Self.invalid(given, "the environment has no such variable")
            }
            isReadByOthers = false
            if text.contains("-----BEGIN") {
                content = .pem(Array(text.utf8))
            } else if let bytes = Base64.decode(text), bytes.count == 32 {
                content = .raw(bytes)
            } else {
                throw Self.invalid(given, "it holds neither PEM nor the base64 of 32 bytes")
            }
            return
        }
        let path = surroundings.path(given.hasPrefix("file:") ? String(given.dropFirst(5)) : given)
        let read: (bytes: [UInt8], mode: mode_t)
        do throws(FileReadFailure) { read = try Self.read(path) } catch {
            throw Self.invalid(given, "it cannot be read: \(error.reason)")
        }
        isReadByOthers = read.mode & 0o077 != 0
        if read.bytes.count == 32 {
            content = .raw(read.bytes)
        } else if String(decoding: read.bytes, as: UTF8.self).contains("-----BEGIN") {
            content = .pem(read.bytes)
        } else {
            throw Self.invalid(given, "it is neither PEM nor 32 raw bytes")
        }
    }

    private static func read(_ path: String) throws(FileReadFailure) -> ([UInt8], mode_t) {
        let file = try RegularFile.open(path)
        return (try file.read(limit: 1 << 16), file.status.st_mode)
    }

    static func invalid(_ name: String, _ what: String) -> CloacinaError {
        CloacinaError(
            .keyInvalid, .signature, "the key \(name): \(what)",
            hint: "Name an Ed25519 key, in PEM or as 32 raw bytes; 'package keygen' makes a pair.")
    }
}
