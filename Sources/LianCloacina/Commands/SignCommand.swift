import LianModel
import LianSystem

/// `package sign ARCHIVE`.
package struct SignCommand: CloacinaCommand {
    private let archive: String
    private let key: String?
    private let surroundings: Surroundings

    package init(_ archive: String, key: String?, _ surroundings: Surroundings) {
        self.archive = archive
        self.key = key
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        try await computing(&report) { report throws(CloacinaError) in
            let key = try PrivateKey(KeySource(try required(key), surroundings), &report)
            let place = surroundings.path(archive)
            let hash = try hashFile(place, surroundings.stop)
            report.artifact = CloacinaReport.Artifact(
                path: archive, bytes: hash.bytes, sha256: hexadecimal(hash.sha256))
            try signBeside(place, named: archive, hash.sha256, by: key, surroundings, &report)
        }
    }

    private func required(_ key: String?) throws(CloacinaError) -> String {
        guard let key else {
            throw CloacinaError(
                .keyMissing, .arguments, "no key is given to sign by", hint: "Name a private key by --key.")
        }
        return key
    }
}

/// Makes the signature beside an archive, of which this is the SHA-256, and tells of it by the caller's name for it.
func signBeside(
    _ archive: String, named name: String, _ sha256: [UInt8], by key: PrivateKey, _ surroundings: Surroundings,
    _ report: inout CloacinaReport
) throws(CloacinaError) {
    try Sidecar(of: sha256, by: key).write(archive + Sidecar.suffix)
    report.signatures.append(key.report(.sidecar, name + Sidecar.suffix))
    surroundings.tell("Created: \(name)\(Sidecar.suffix)")
}
