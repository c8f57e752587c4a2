import Glibc
import LianSystem

/// Starts a runner's lasting processes so that none is ever lost: each records itself and enters the runner's cgroup
/// before it executes its program. If the orchestrator is killed in between, either the record exists, or the runner's
/// folder is gone and the process ends because of that.
struct Launcher: Sendable {
    let children: ChildProcesses
    let bootID: String

    private static let script = """
        set -eu
        record=$1 boot=$2 entries=$3
        shift 3
        while [ "$entries" -gt 0 ]; do
          echo 0 > "$1"
          shift
          entries=$((entries - 1))
        done
        read -r status < /proc/self/stat
        printf '%s %s\\n' "$status" "$boot" > "$record"
        exec "$@"
        """

    /// Returns the pid, which the process keeps from its first moment on.
    @discardableResult
    func launch(
        _ command: Command, record: String, cgroupEntries: [String], log: String
    ) throws(SystemError) -> pid_t {
        let raw = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw SystemError("open \(log)") }
        let output = FileDescriptor(owning: raw)
        let launching = Command(
            "/bin/sh",
            ["-c", Self.script, "launch", record, bootID, String(cgroupEntries.count)] + cgroupEntries
                + [command.executable] + command.arguments,
            environment: command.environment, workingDirectory: command.workingDirectory)
        let pid = try spawnChild(
            launching, streams: StandardStreams(output: output.raw, error: output.raw), newSession: true)
        children.add(pid)
        return pid
    }
}

/// What a lasting process recorded about itself: its line of /proc/PID/stat, followed by the id of the boot.
struct ProcessRecord {
    /// nil where the record cannot be read as such.
    let identity: ProcessIdentity?
    let bootID: String?

    init(_ text: String) {
        identity = ProcessStatus(statLine: text)?.identity
        // The last field that the kernel writes is a number, so it is not taken for a boot.
        bootID = text.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) == nil ? String($0) : nil }
    }

    /// nil where no process has recorded itself there yet.
    static func read(_ file: String) throws(FileReadFailure) -> ProcessRecord? {
        try readIfThere(file).map(Self.init)
    }

    /// nil where the record is not from that boot: the pid may belong to another process by now.
    func identity(in boot: String) -> ProcessIdentity? { bootID == boot ? identity : nil }
}
