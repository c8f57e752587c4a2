import Glibc
import LianSystem

/// The empty folder in which root's sshd confines its part that talks to strangers. The path is compiled into sshd,
/// which looks for the folder at its start and again for each connection. The folder is not the orchestrator's alone:
/// Debian's ssh service makes it, and removes it when it stops. So it is made again as soon as it is missing.
enum PrivilegeSeparation {
    private static let folder = "/run/sshd"
    private static let lookInterval: useconds_t = 200_000

    /// Makes the folder where it is missing; throws where sshd would refuse it.
    static func prepare() throws(ProviderError) {
        var status = stat()
        if stat(folder, &status) != 0 {
            do {
                try makeFolder(folder, mode: 0o755)
                // Sets the mode whatever the umask is, because other sshds use the folder too.
                guard chmod(folder, 0o755) == 0, stat(folder, &status) == 0 else {
                    throw SystemError("chmod \(folder)")
                }
            } catch {
                throw ProviderError(
                    "no sshd of root's lets anyone in without \(folder), and it cannot be made (\(error)): mend it by "
                        + "`install -d -m 755 \(folder)`")
            }
        }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == 0, status.st_mode & 0o022 == 0 else {
            throw ProviderError(
                "no sshd of root's lets anyone in while \(folder) is not a folder that root alone may write: mend it by "
                    + "`rm -rf \(folder) && install -d -m 755 \(folder)`")
        }
    }

    /// Watches the folder from now on. The log reports when that fails and when all is well again.
    static func keep(log: EventLog) throws(SystemError) {
        try startThread {
            var told: String?
            while true {
                var problem: String?
                do throws(ProviderError) { try prepare() } catch { problem = error.description }
                if let problem, problem != told {
                    log.error("degraded", problem)
                } else if problem == nil, told != nil {
                    log.info("recovered", "sshd's \(folder) is as it should be again")
                }
                told = problem
                usleep(lookInterval)
            }
        }
    }
}
