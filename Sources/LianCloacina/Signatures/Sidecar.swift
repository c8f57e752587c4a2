import LianModel
import LianSystem

/// The signature beside an archive, in `ARCHIVE.sig`: by a key over the SHA-256 of the archive's file.
package struct Sidecar: Equatable, Sendable {
    package static let suffix = ".sig"
    package static let algorithm = "ed25519"

    package let packageHash: String
    package let keyFingerprint: String
    package let signature: [UInt8]
    package let signedAt: String

    /// `sha256` is that of the archive's file.
    package init(of sha256: [UInt8], by key: PrivateKey) throws(CloacinaError) {
        packageHash = hexadecimal(sha256)
        keyFingerprint = key.publicKey.fingerprint
        signature = try key.signature(of: sha256)
        signedAt = UTCTime(milliseconds: Timing.system.wallClock()).rfc3339
    }

    /// Of the text of such a file.
    package init(_ text: [UInt8], _ path: String) throws(CloacinaError) {
        func malformed(_ what: String) -> CloacinaError {
            CloacinaError(
                .signatureMalformed, .signature, "\(path) is no signature: \(what)", hint: "Sign the archive anew.")
        }
        let value: JSONValue
        do throws(JSONSyntaxError) { value = try JSONValue.parse(text) } catch {
            throw malformed("it is neither 64 bytes nor JSON (\(error))")
        }
        guard let version = value["version"]?.intValue, let algorithm = value["algorithm"]?.stringValue else {
            throw malformed("it names no version or no algorithm")
        }
        guard version == 1, algorithm == Self.algorithm else {
            throw CloacinaError(
                .signatureUnsupported, .signature,
                "\(path) is of version \(version) by '\(onOneLine(algorithm, limit: 40))'",
                hint: "Version 1 by \(Self.algorithm) is known here.")
        }
        guard let hash = value["package_hash"]?.stringValue, let key = value["key_fingerprint"]?.stringValue,
            let signature = value["signature"]?.stringValue.flatMap(Base64.decode), signature.count == 64
        else { throw malformed("a field of it is missing, or its signature is not the base64 of 64 bytes") }
        packageHash = hash
        keyFingerprint = key
        self.signature = signature
        signedAt = value["signed_at"]?.stringValue ?? ""
    }

    package var text: String {
        let fields = Ordered([
            ("version", .plain(.integer(1))), ("algorithm", .plain(.string(Self.algorithm))),
            ("package_hash", .plain(.string(packageHash))), ("key_fingerprint", .plain(.string(keyFingerprint))),
            ("signature", .plain(.string(Base64.encode(signature)))), ("signed_at", .plain(.string(signedAt))),
        ])
        return Indented.record(fields).text + "\n"
    }

    package func write(_ path: String) throws(CloacinaError) {
        do throws(SystemError) {
            try replaceFile(path, text, mode: 0o644)
        } catch {
            throw .unwritable(path, error)
        }
    }
}
