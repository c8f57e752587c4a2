import LianModel

/// Why the remote side did not do what it was asked.
package enum RemoteFailure: Error, Equatable, Sendable {
    /// The channel ended or fell silent. A run goes on without us for its grace, and can be attached to again.
    case connectionLost(String)
    /// There is no run of ours in the folder any more.
    case runGone
    /// The program that keeps watch over the run was killed on the runner.
    case supervisorLost
    /// The run ended, and the runner's disk had no room for how.
    case diskFull
    case folderTaken(String)
    case folderUnusable(String)
    /// The runner's volume cannot take a context; why, in the runner's words.
    case volumeUnusable(String)
    case commandMissing(String)
    case rsyncMissing
    /// Which a run needs that has SSH agents.
    case perlMissing
    case relayFailed
    case setsidMissing
    case noSecretStore
    case cgroupUnreadable
    /// The remote side said what nobody on it should.
    case unintelligible(String)
    /// The remote side did not understand; or the request could not have been understood.
    case invalidRequest(String)
}

/// Throws whatever goes wrong in the transport as a lost connection.
func orConnectionLost<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
        return try await body()
    } catch is CancellationError {
        throw CancellationError()
    } catch {
        throw RemoteFailure.connectionLost("\(error)")
    }
}

extension RemoteFailure {
    package static let diskHint =
        "Give it a larger disk: a larger tier, and disk_gb beside compute.tiers for one more try by itself."

    package func lianError(_ phase: Phase) -> LianError {
        func error(_ code: ErrorCode, _ message: String, _ hint: String) -> LianError {
            LianError(code, phase, message, hint: hint)
        }
        let folderHint = "The runner's user needs a work_dir it can write to, with room on its disk."
        switch self {
        case .connectionLost(let reason):
            return error(
                .connectionLost, "the connection to the runner was lost: \(reason)",
                "Check the network to the runner and whether it still lives, then build again.")
        case .runGone, .supervisorLost:
            return error(
                .connectionLost, "the build's processes on the runner were ended from outside",
                "See whether something on the runner ends processes, or its memory or disk is full; then build again.")
        case .diskFull:
            return error(.diskFull, "the build filled the runner's disk", Self.diskHint)
        case .folderTaken(let folder):
            return error(.remoteFailed, "on the runner '\(folder)' exists already", folderHint)
        case .folderUnusable(let folder):
            return error(.remoteFailed, "on the runner '\(folder)' cannot be made", folderHint)
        case .volumeUnusable(let reason):
            return error(.remoteFailed, "the runner's volume cannot take the context: \(onOneLine(reason))", folderHint)
        case .commandMissing(let name):
            return error(
                .buildctlMissing, "the runner has no '\(name)' on its PATH",
                "Use a runner image with BuildKit's buildctl, or put it on the PATH of its sshd (SetEnv).")
        case .rsyncMissing:
            return error(
                .rsyncMissing, "the runner has no 'rsync' on its PATH",
                "Use a runner image with rsync, or install it there.")
        case .perlMissing:
            return error(
                .engineUnsupported, "the runner has no 'perl' on its PATH, which --ssh needs there",
                "Install Perl in the runner image (Debian's perl-base is enough), or build without --ssh.")
        case .relayFailed:
            return error(
                .remoteFailed, "the runner cannot make the sockets for --ssh", "Its Perl must work and know sockets.")
        case .setsidMissing:
            return error(
                .remoteFailed, "the runner has no working 'setsid' on its PATH",
                "Install util-linux or busybox in the runner image.")
        case .noSecretStore:
            return error(
                .noSecretStore, "the runner has no file system in memory to keep secrets in",
                "Give the runner a tmpfs at /dev/shm, /run/user/UID or its work_dir; secrets never go to a disk.")
        case .cgroupUnreadable:
            return error(
                .remoteFailed, "the cgroup that LIAN_CGROUP names on the runner cannot be read",
                "Let the orchestrator name the runner's own cgroup there, or leave LIAN_CGROUP out.")
        case .unintelligible(let what):
            return error(
                .remoteFailed, "the runner answers what makes no sense: \(what)",
                "Its shell or one of its tools is not what it should be: use another runner image.")
        case .invalidRequest(let what):
            return error(
                .internalError, "the remote side refused the request: \(what)", "Please report this as a defect.")
        }
    }
}
