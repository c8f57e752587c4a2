import Glibc
import LianSystem

/// Starts a runner's lasting processes so that none is ever lost: each records itself and enters the runner's cgroup
/// before it becomes the program that it is to be. Were the orchestrator killed in between, the record is there, or
/// the folder is gone and the process ends for want of it.
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
            ["-c", Self.script, "launch", record, bootID, String(cgroupEntries.count)] + cgroupEntries
                + [command.executable] + command.arguments,
            environment: command.environment, workingDirectory: command.workingDirectory)
        let pid = try spawnChild(
            launching, streams: StandardStreams(output: output.raw, error: output.raw), newSession: true)
        children.add(pid)
        return pid
    }
}

/// What a lasting process wrote of itself: its line of /proc/PID/stat, and behind that the boot in which it was true.
struct ProcessRecord {
    /// nil where the record does not tell.
    let identity: ProcessIdentity?
    let bootID: String?

    init(_ text: String) {
        identity = ProcessStatus(statLine: text)?.identity
        // The kernel's own last field is a number.
        bootID = text.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) == nil ? String($0) : nil }
    }

    /// nil where none has recorded itself there yet.
    static func read(_ file: String) throws(FileReadFailure) -> ProcessRecord? {
        try readIfThere(file).map(Self.init)
    }

    /// nil where it tells of no process of that boot. A pid of another boot is another process's by now.
    func identity(in boot: String) -> ProcessIdentity? { bootID == boot ? identity : nil }
}
