import Glibc
import LianSystem

/// Starts a runner's lasting processes so that none is ever lost: each records itself and enters the runner's cgroup
/// before it becomes the program that it is to be. Were the orchestrator killed in between, the record is there, or
/// the folder is gone and the process ends for want of it.
struct Launcher: Sendable {
    let children: ChildProcesses

    private static let script = """
        set -eu
        record=$1 entries=$2
        shift 2
        while [ "$entries" -gt 0 ]; do
          echo 0 > "$1"
          shift
          entries=$((entries - 1))
        done
        read -r status < /proc/self/stat
        printf '%s\\n' "$status" > "$record"
        exec "$@"
        """

    /// Returns the pid that the process has from its first moment on.
    @discardableResult
    func launch(
        _ command: Command, record: String, cgroupEntries: [String], log: String
    ) throws(SystemError) -> pid_t {
        let raw = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw SystemError("open \(log)") }
        let output = FileDescriptor(owning: raw)
        let launching = Command(
            "/bin/sh",
            ["-c", Self.script, "launch", record, String(cgroupEntries.count)] + cgroupEntries
                + [command.executable] + command.arguments,
            environment: command.environment, workingDirectory: command.workingDirectory)
        let pid = try spawnChild(
            launching, streams: StandardStreams(output: output.raw, error: output.raw), newSession: true)
        children.add(pid)
        return pid
    }

    /// The process that recorded itself there; nil where none has yet.
    static func recorded(_ file: String) -> ProcessIdentity? {
        (try? readText(file)).flatMap(ProcessStatus.init(statLine:))?.identity
    }
}
