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
        func value(_ name: String) -> String { "planted-\(name)-\(UUID().uuidString.lowercased())" }
        buildSecret = value("build-secret")
        registryPassword = value("registry-password")
        orchestratorToken = value("token")
        passphrase = value("passphrase")
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

    /// What every value begins with, and what every login does: most bytes hold neither, and need no further look.
    private static let beginnings = ["planted-", "YnVpbGRlcjpwbGFudGVk", NATSServer.userSeed].map { Data($0.utf8) }

    /// Which of these secrets a process shows at this moment, for each of them: in its arguments, or in its environment,
    /// where only lian-build itself holds what its caller gave it.
    package static func shownByProcesses(_ all: [PlantedSecrets]) -> [[String]] {
        var shown: [[String]] = all.map { _ in [] }
        for pid in allProcesses() {
            for file in ["cmdline", "environ"] {
                func bytesWithAny() -> Data? {
                    FileManager.default.contents(atPath: "/proc/\(pid)/\(file)").flatMap { bytes in
                        beginnings.contains(where: { bytes.range(of: $0) != nil }) ? bytes : nil
                    }
                }
                guard bytesWithAny() != nil else { continue }
                // One that ended meanwhile was nobody else either.
                let program = program(of: pid)
                if file == "environ", program?.hasSuffix("/lian-build") ?? true { continue }
                // A child shows its parent's until it runs its own program: what it shows as that program counts.
                guard let bytes = bytesWithAny() else { continue }
                for index in all.indices {
                    shown[index] += all[index].found(in: bytes).map { "\($0) in \(file) of \(pid) \(program ?? "")" }
                }
            }
        }
        return shown
    }
}
