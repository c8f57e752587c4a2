/// The names within a runner's folder. They are short, because the path of a socket may have at most 104 bytes.
struct RunnerFolder: Sendable {
    let path: String
    let runnerID: String
    /// Where the folder is moved in order to be deleted.
    let trash: String
    /// The folder of the volume that was lent to the runner; nil where it has none.
    var volume: String?

    init(state: String, runnerID: String, volume: String? = nil) {
        self.volume = volume
        path = "\(Self.all(in: state))/\(runnerID)"
        trash = "\(Self.allTrash(in: state))/\(runnerID)"
        self.runnerID = runnerID
    }

    /// The folder of all runners.
    static func all(in state: String) -> String { "\(state)/runners" }

    static func allTrash(in state: String) -> String { "\(state)/trash" }

    var work: String { "\(path)/work" }
    var home: String { "\(path)/home" }
    /// The first folder on the runner's PATH.
    var programs: String { "\(path)/bin" }
    var temporary: String { "\(path)/tmp" }
    /// A folder in memory, if mounting is allowed, for what must not reach the disk.
    var memory: String { "\(path)/mem" }

    var hostKey: String { "\(path)/host_key" }
    var authorizedKeys: String { "\(path)/authorized_keys" }
    var sshdConfiguration: String { "\(path)/sshd_config" }
    var sshdPID: String { "\(path)/sshd.pid" }
    var sshdLog: String { log(of: .sshd) }

    /// The engine's data and its own folder for sockets and settings.
    var engineData: String { volume.map { "\($0)/engine" } ?? "\(path)/e" }
    var engineRun: String { "\(path)/x" }
    var enginePrograms: String { "\(path)/xbin" }
    var engineConfiguration: String { "\(path)/engine.conf" }
    var engineSocket: String { "\(path)/x.sock" }
    var engineLog: String { log(of: .engine) }
    /// Made by the first build that found the engine running.
    var engineIsUp: String { "\(path)/engine.up" }
    /// That of an agent for a step, which BuildKit makes below TMPDIR, with ten digits at most.
    var longestAgentSocket: String { "\(temporary)/.buildkit-ssh-sock0123456789/ssh_auth_sock" }
    /// In bytes, by the kernel's own count.
    static let socketLimit = 107

    /// What an engine leaves behind besides its data and its log when it is killed.
    var engineTraces: [String] { [engineRun, "\(engineRun).pid", engineSocket, engineIsUp, record(of: .engine)] }

    /// Holds the path of the runner's cgroup; it is written before the cgroup is made.
    var cgroup: String { "\(path)/cgroup" }

    enum Process: String, CaseIterable { case sshd, engine }
    /// Holds the process's line of /proc/PID/stat and the boot. The process writes it before it executes its program.
    func record(of process: Process) -> String { "\(path)/\(process.rawValue).process" }
    func log(of process: Process) -> String { "\(path)/\(process.rawValue).log" }

    /// The environment of each of the runner's programs; engines are tried in it when the orchestrator starts.
    func environment(path: String) -> [String: String] {
        ["PATH": "\(programs):\(path)", "HOME": home, "TMPDIR": temporary, "LANG": "C.UTF-8"]
    }

    var folders: [String] { [path, work, home, programs, temporary, memory, engineRun, enginePrograms] }
}
