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
            ("\(prefix).secret", key.seed, 0o600), ("\(prefix)\(PrivateKey.publicSuffix)", key.publicKey.bytes, 0o644),
        ]
        if alsoPEM {
            files += [
                ("\(prefix).secret.pem", Array(key.pem.utf8), 0o600),
                ("\(prefix).public.pem", Array(key.publicKey.pem.utf8), 0o644),
            ]
        }
        for file in files where fileKind(surroundings.path(file.name)) != nil { throw Self.exists(file.name) }
        var made: [String] = []
        for file in files {
            let place = surroundings.path(file.name)
            do throws(SystemError) {
                let draft = try FileDraft(of: place, mode: file.mode)
                try draft.write(file.bytes)
                // Another one may be making the same pair: no key is ever replaced.
                try draft.commit(replaces: false)
            } catch {
                for place in made { unlink(place) }
                throw error.code == EEXIST ? Self.exists(file.name) : .unwritable(file.name, error)
            }
            made.append(place)
        }
        for file in files { surroundings.tell("Created: \(file.name)") }
        surroundings.tell("Fingerprint: \(key.publicKey.fingerprint)")
    }

    private static func exists(_ name: String) -> CloacinaError {
        CloacinaError(.fileExists, .output, "\(name) is there already", hint: "Name another pair by --out.")
    }
}
