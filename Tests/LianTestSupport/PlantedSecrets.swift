import Foundation

/// Every kind of secret that a build is given, each with a value that is nowhere else.
package struct PlantedSecrets: Sendable {
    package let buildSecret: String
    package let registryPassword: String
    package let orchestratorToken: String
    package let passphrase: String
    package let nkeySeed = NATSServer.userSeed
    package static let registryUser = "builder"

    package init() {
        func value(_ name: String) -> String { "\(name)-\(UUID().uuidString.lowercased())" }
        buildSecret = value("planted-build-secret")
        registryPassword = value("planted-registry-password")
        orchestratorToken = value("planted-token")
        passphrase = value("planted-passphrase")
    }

    /// What must be found nowhere: each value, and the login in the form in which Docker's config holds it.
    package var needles: [(name: String, bytes: Data)] {
        let login = Data("\(Self.registryUser):\(registryPassword)".utf8).base64EncodedString()
        return [
            ("the build secret", buildSecret), ("the registry's password", registryPassword),
            ("the registry's login", login), ("the orchestrator's token", orchestratorToken),
            ("the passphrase", passphrase), ("the nkey seed", nkeySeed),
        ].map { ($0.0, Data($0.1.utf8)) }
    }

    /// Which of them the bytes hold.
    package func found(in bytes: Data) -> [String] {
        needles.filter { bytes.range(of: $0.bytes) != nil }.map(\.name)
    }

    /// Which of them stand in files below the folder, other than those that were put there on purpose.
    package func found(below folder: String, besides planted: Set<String> = []) -> [String] {
        var found: [String] = []
        let files = FileManager.default.enumerator(atPath: folder)
        while let name = files?.nextObject() as? String {
            guard !planted.contains(name), files?.fileAttributes?[.type] as? FileAttributeType == .typeRegular,
                let bytes = FileManager.default.contents(atPath: "\(folder)/\(name)")
            else { continue }
            found += self.found(in: bytes).map { "\($0) in \(folder)/\(name)" }
        }
        return found
    }

    /// Which of them a process shows at this moment: in its arguments, or in its environment, where only lian-build
    /// itself holds what its caller gave it.
    package func shownByProcesses() -> [String] {
        var shown: [String] = []
        for pid in allProcesses() {
            for file in ["cmdline", "environ"] {
                guard let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/\(file)") else { continue }
                let found = found(in: bytes)
                guard !found.isEmpty else { continue }
                let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/exe")
                // One that ended meanwhile was nobody else either.
                if file == "environ", program?.hasSuffix("/lian-build") ?? true { continue }
                shown += found.map { "\($0) in \(file) of \(pid) \(program ?? "")" }
            }
        }
        return shown
    }
}
