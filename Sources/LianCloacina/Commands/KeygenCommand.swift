import Glibc
import LianSystem

/// `package keygen`.
package struct KeygenCommand: CloacinaCommand {
    private let prefix: String
    private let alsoPEM: Bool
    private let surroundings: Surroundings

    package init(prefix: String?, alsoPEM: Bool, _ surroundings: Surroundings) {
        self.prefix = prefix ?? "cloacina-key"
        self.alsoPEM = alsoPEM
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        let key = try PrivateKey(seed: randomBytes(32))
        var files: [(name: String, bytes: [UInt8], mode: mode_t)] = [
            ("\(prefix).secret", key.seed, 0o600), ("\(prefix).public", key.publicKey.bytes, 0o644),
        ]
        if alsoPEM {
            files += [
                ("\(prefix).secret.pem", Array(key.pem.utf8), 0o600),
                ("\(prefix).public.pem", Array(key.publicKey.pem.utf8), 0o644),
            ]
        }
        for file in files where fileKind(surroundings.path(file.name)) != nil {
            throw CloacinaError(
                .fileExists, .output, "\(file.name) is there already", hint: "Name another pair by --out.")
        }
        for file in files {
            do throws(SystemError) {
                let draft = try FileDraft(of: surroundings.path(file.name), mode: file.mode)
                try draft.write(file.bytes)
                try draft.commit()
            } catch {
                throw .unwritable(file.name, error)
            }
            surroundings.tell("Created: \(file.name)")
        }
        surroundings.tell("Fingerprint: \(key.publicKey.fingerprint)")
    }
}
