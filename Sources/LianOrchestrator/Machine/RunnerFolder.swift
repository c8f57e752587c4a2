/// The names within a runner's folder. Short ones: the paths of sockets may have 104 bytes and no more.
struct RunnerFolder: Sendable {
    let path: String
    let runnerID: String
    /// Where the folder goes to be deleted.
    let trash: String

    init(state: String, runnerID: String) {
        path = "\(Self.all(in: state))/\(runnerID)"
        trash = "\(Self.allTrash(in: state))/\(runnerID)"
        self.runnerID = runnerID
    }

    /// The folder of all runners.
    static func all(in state: String) -> String { "\(state)/runners" }

    static func allTrash(in state: String) -> String { "\(state)/trash" }

    var work: String { "\(path)/work" }
    var home: String { "\(path)/home" }
    /// First on the runner's PATH.
    var programs: String { "\(path)/bin" }
    var temporary: String { "\(path)/tmp" }
    /// In memory, where it may be: for what must not reach the disk.
    var memory: String { "\(path)/mem" }

    var hostKey: String { "\(path)/host_key" }
    var authorizedKeys: String { "\(path)/authorized_keys" }
    var sshdConfiguration: String { "\(path)/sshd_config" }
    var sshdPID: String { "\(path)/sshd.pid" }
    var sshdLog: String { "\(path)/sshd.log" }

    /// The engine's data and its own folder for sockets and settings.
    var engineData: String { "\(path)/e" }
    var engineRun: String { "\(path)/x" }
    var enginePrograms: String { "\(path)/xbin" }
    var engineConfiguration: String { "\(path)/engine.conf" }
    var engineSocket: String { "\(path)/x.sock" }
    var engineLog: String { "\(path)/engine.log" }
    /// Placed by the first build that found the engine up.
    var engineIsUp: String { "\(path)/engine.up" }

    /// The path of the runner's cgroup, written before that is made.
    var cgroup: String { "\(path)/cgroup" }

    enum Process: String, CaseIterable { case sshd, engine }
    /// Holds that process's line of /proc/PID/stat and the boot, written by itself before it becomes what it is to be.
    func record(of process: Process) -> String { "\(path)/\(process.rawValue).process" }

    /// What each of the runner's programs finds in its environment, and what an engine is tried with at the start.
    func environment(path: String) -> [String: String] {
        ["PATH": "\(programs):\(path)", "HOME": home, "TMPDIR": temporary, "LANG": "C.UTF-8"]
    }

    var folders: [String] { [path, work, home, programs, temporary, memory, engineRun, enginePrograms] }
}
