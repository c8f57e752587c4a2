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
            let hash = try hashFile(place)
            report.artifact = CloacinaReport.Artifact(
                path: archive, bytes: hash.bytes, sha256: hexadecimal(hash.sha256))
            try Sidecar(of: hash.sha256, by: key).write(place + Sidecar.suffix)
            report.signatures.append(key.report(.sidecar, archive + Sidecar.suffix))
            surroundings.tell("Created: \(archive)\(Sidecar.suffix)")
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
