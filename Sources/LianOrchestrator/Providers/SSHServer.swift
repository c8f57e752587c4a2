import Glibc
import LianModel
import LianSystem

/// A runner's own sshd: its configuration, and how it is started.
struct SSHServer: Sendable {
    let sshd: String
    let sshKeygen: String

    /// Allows one user and one key, and forwards nothing. Sessions get the given environment instead of that of a
    /// login.
    static func configuration(
        folder: RunnerFolder, user: String, port: UInt16, environment: [String: String]
    ) -> String {
        let assignments = environment.keys.sorted().map { "\"\($0)=\(environment[$0] ?? "")\"" }
        return """
            Port \(port)
            ListenAddress 127.0.0.1
            HostKey \(folder.hostKey)
            PidFile \(folder.sshdPID)
            AuthorizedKeysFile \(folder.authorizedKeys)
            \(SSHRestrictions.lines(user: user))
            # sshd would look at every folder up to the root and refuse one like /tmp. The orchestrator has looked at
            # them itself, and refuses a state folder that another user could replace.
            StrictModes no
            SetEnv \(assignments.joined(separator: " "))

            """
    }

    /// Makes the host key; returns its public half as a line without a comment.
    func makeHostKey(in folder: RunnerFolder) throws(ProviderError) -> String {
        let command = Command(
            sshKeygen, ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder.hostKey], environment: [:])
        do {
            let result = try runBlocking(command, deadline: .seconds(20))
            guard result.termination.isSuccess else {
                throw ProviderError("ssh-keygen: \(result.errorText.trimmingLineEnd())")
            }
            guard let key = SSHPublicKey(callersLine: try readText("\(folder.hostKey).pub").trimmingLineEnd()) else {
                throw ProviderError("ssh-keygen wrote no key that can be read")
            }
            return key.line
        } catch let error as ProviderError {
            throw error
        } catch {
            throw ProviderError("ssh-keygen: \(error)")
        }
    }

    func command(in folder: RunnerFolder, environment: [String: String]) -> Command {
        Command(sshd, ["-D", "-e", "-f", folder.sshdConfiguration], environment: environment)
    }

    /// A loopback port that is free now. If another program takes it before sshd binds it, sshd ends and another port
    /// is tried.
    static func freePort() throws(SystemError) -> UInt16 {
        try ListenAddress(host: "127.0.0.1", port: 0).open().address.port
    }

    /// Whether sshd would refuse the user because its account is locked in the shadow file.
    static func isLocked(_ user: String, shadow: String) -> Bool {
        shadow.split(separator: "\n").contains { $0.hasPrefix("\(user):!") }
    }
}
