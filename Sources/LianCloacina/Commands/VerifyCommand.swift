import LianModel
import LianSystem

/// `package verify ARCHIVE`.
package struct VerifyCommand: CloacinaCommand {
    private let archive: String
    private let keys: [String]
    private let signature: String?
    private let required: CloacinaReport.Signature.Kind?
    private let surroundings: Surroundings

    package init(
        _ archive: String, keys: [String], signature: String?, required: CloacinaReport.Signature.Kind?,
        _ surroundings: Surroundings
    ) {
        self.archive = archive
        self.keys = keys
        self.signature = signature
        self.required = required
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        try await computing(&report) { report throws(CloacinaError) in try verify(&report) }
    }

    private enum Found {
        case sidecar([UInt8], path: String)
        case embedded([UInt8], path: String)

        var kind: CloacinaReport.Signature.Kind {
            switch self {
            case .sidecar: .sidecar
            case .embedded: .embedded
            }
        }
    }

    private func verify(_ report: inout CloacinaReport) throws(CloacinaError) {
        guard !keys.isEmpty else {
            throw CloacinaError(
                .keyMissing, .arguments, "no key is given that is trusted", hint: "Name a public key by --key.")
        }
        var trusted: [PublicKey] = []
        for key in keys { trusted.append(try PublicKey(KeySource(key, surroundings))) }
        let place = surroundings.path(archive)
        guard fileKind(place) == .regular else { throw .unreadable(archive, "there is no file", .arguments) }
        let staged = try StagedArchive(place, surroundings)
        staged.summary.warnOfTrailingBytes(archive, &report)
        let digest = staged.summary.format == .bzip2 ? try staged.members().digest(surroundings.stop) : nil
        report.artifact = staged.artifact(path: archive, digest: digest)
        if staged.summary.format == .gzip { try staged.checkFingerprint(archive, surroundings.stop) }
        let found = try signatures(staged, place).filter { required == nil || $0.kind == required }
        guard !found.isEmpty else {
            let kind = required.map { "\($0.rawValue) " } ?? ""
            throw CloacinaError(
                .signatureMissing, .signature, "\(archive) has no \(kind)signature",
                hint: "Its author makes one by 'package sign' or 'package pack --sign-embed'.")
        }
        var untrusted: CloacinaError?
        for signature in found {
            do throws(CloacinaError) {
                report.signatures.append(try check(signature, trusted, staged.summary.sha256, digest))
            } catch {
                guard error.code == .signatureUntrustedKey else { throw error }
                untrusted = error
            }
        }
        if report.signatures.isEmpty, let untrusted { throw untrusted }
    }

    private func signatures(_ staged: StagedArchive, _ place: String) throws(CloacinaError) -> [Found] {
        var found: [Found] = []
        let beside = signature.map(surroundings.path) ?? place + Sidecar.suffix
        let name = signature ?? archive + Sidecar.suffix
        if signature != nil || fileKind(beside) != nil {
            do throws(FileReadFailure) {
                let bytes = try readFile(beside, limit: 1 << 16)
                found.append(bytes.count == 64 ? .embedded(bytes, path: name) : .sidecar(bytes, path: name))
            } catch {
                throw .unreadable(name, error.reason, .signature)
            }
        }
        if let bytes = try staged.bytes(of: embeddedSignatureName) {
            found.append(.embedded(bytes, path: embeddedSignatureName))
        }
        return found
    }

    private func check(
        _ signature: Found, _ trusted: [PublicKey], _ sha256: [UInt8], _ digest: [UInt8]?
    ) throws(CloacinaError) -> CloacinaReport.Signature {
        let path: String
        let key: PublicKey?
        let isByTrustedKey: Bool
        switch signature {
        case .sidecar(let text, let place):
            path = place
            let sidecar = try Sidecar(text, path)
            guard sidecar.packageHash == hexadecimal(sha256) else {
                throw CloacinaError(
                    .signatureHashMismatch, .signature, "\(path) was made for another file than \(archive)",
                    hint: "Get the archive and its signature again, from the same place.")
            }
            key = trusted.first { $0.verifies(sidecar.signature, of: sha256) }
            isByTrustedKey = trusted.contains { $0.fingerprint == sidecar.keyFingerprint }
        case .embedded(let bytes, let place):
            path = place
            guard bytes.count == 64, let digest else {
                throw CloacinaError(
                    .signatureMalformed, .signature, "\(path) is no signature of this archive",
                    hint: "Sign the archive anew.")
            }
            key = trusted.first { $0.verifies(bytes, of: digest) }
            // It does not say by which key it is.
            isByTrustedKey = true
        }
        guard let key else {
            throw CloacinaError(
                isByTrustedKey ? .signatureInvalid : .signatureUntrustedKey, .signature,
                isByTrustedKey
                    ? "\(path) does not hold: the archive, the signature or the key is another one"
                    : "\(path) is by a key that is none of those given",
                hint: "Get the archive again; or name its author's public key by --key.")
        }
        return CloacinaReport.Signature(
            kind: signature.kind, path: path, keyFingerprint: key.fingerprint, status: .valid)
    }
}
