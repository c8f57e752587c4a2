import Glibc
import LianSystem

/// The mounts of a runner's processes: each has a mount namespace of its own, which ends with its last process. Mounts
/// made in the namespace are not visible on the machine, and what is unmounted there stays mounted on the machine. The
/// machine's own mounts and unmounts do take effect in the namespace, so no runner keeps a file system of the machine
/// busy.
struct MountNamespace: Sendable {
    private let unshare: String

    /// Fails with the reason where this process may not make namespaces. Then nobody may mount anything here either.
    static func available(path: String) -> Result<MountNamespace, ProviderError> {
        guard let unshare = findExecutable("unshare", path: path) else {
            return .failure(ProviderError("unshare is not on PATH (install util-linux)"))
        }
        let namespace = MountNamespace(unshare: unshare)
        do {
            let probe = namespace.command(Command("/bin/true", environment: [:]))
            let result = try runBlocking(probe, deadline: .seconds(20))
            guard result.termination.isSuccess else {
                return .failure(ProviderError(result.errorText.trimmingLineEnd()))
            }
            return .success(namespace)
        } catch {
            return .failure(ProviderError("unshare: \(error)"))
        }
    }

    private static let grantingAll = """
        /bin/mount --bind "$0" "$0" && /bin/mount -o remount,bind,suid,dev "$0"
        exec "$@"
        """

    /// The command that runs in a new namespace. It keeps its pid. Where a folder is given, setuid programs and devices in
    /// it are in force for the command, whether or not they are for the machine.
    func command(_ command: Command, grantingAllIn folder: String? = nil) -> Command {
        var inside = command
        inside.executable = unshare
        inside.arguments = ["--mount", "--propagation", "slave", "--"]
        if let folder { inside.arguments += ["/bin/sh", "-c", Self.grantingAll, folder] }
        inside.arguments += [command.executable] + command.arguments
        return inside
    }
}
