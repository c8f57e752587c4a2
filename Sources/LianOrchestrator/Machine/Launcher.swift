import Glibc
import LianSystem

/// Starts a runner's lasting processes so that none is ever lost: each records itself and enters the runner's cgroup
/// before it executes its program. If the orchestrator is killed in between, either the record exists, or the runner's
/// folder is gone and the process ends because of that.
struct Launcher: Sendable {
    let children: ChildProcesses
    let bootID: String
    let cgroups: Cgroups?
    let mountNamespace: MountNamespace?

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

    /// The process keeps its pid from its first moment on.
    func launch(
        _ command: Command, as process: RunnerFolder.Process, in folder: RunnerFolder
    ) throws(SystemError) -> ChildProcess {
        let log = folder.log(of: process)
        let raw = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw SystemError("open \(log)") }
        let output = FileDescriptor(owning: raw)
        let entries = cgroups?.entries(of: folder.runnerID) ?? []
        // Volumes are mounted so that nothing on them is in force for the machine. To the steps of a build it is, as it
        // would be without a volume: a cache mount may hold a setuid program.
        let volume = process == .engine ? folder.volume : nil
        let isolated = mountNamespace?.command(command, grantingAllIn: volume) ?? command
        let launching = Command(
            "/bin/sh",
            ["-c", Self.script, "launch", folder.record(of: process), bootID, String(entries.count)] + entries
                + [isolated.executable] + isolated.arguments,
            environment: isolated.environment, workingDirectory: isolated.workingDirectory)
        let pid = try spawnChild(
            launching, streams: StandardStreams(output: output.raw, error: output.raw), newSession: true)
        return children.add(pid)
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
