import Glibc
import LianSystem

/// The mounts of a runner's processes: each has a mount namespace of its own, which goes with its last process. What is
/// mounted in there the machine does not see, and what is unmounted there it keeps; what the machine mounts and
/// unmounts is seen in there too, so that a runner keeps no file system of the machine's busy.
struct MountNamespace: Sendable {
    private let unshare: String

    /// nil with the reason where this process may make none. Then nobody may mount anything here either.
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

    /// The command in a namespace of its own. It keeps its pid.
    func command(_ command: Command) -> Command {
        var inside = command
        inside.executable = unshare
        inside.arguments = ["--mount", "--propagation", "slave", "--", command.executable] + command.arguments
        return inside
    }
}
