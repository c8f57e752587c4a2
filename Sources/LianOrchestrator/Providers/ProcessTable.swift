import Glibc
import LianSystem

/// One process and no other: a pid is given out again, a pid with its start time is not.
struct ProcessIdentity: Hashable {
    let pid: pid_t
    /// Clock ticks since boot.
    let started: UInt64
}

/// A line of /proc/PID/stat.
struct ProcessStatus {
    let identity: ProcessIdentity
    let parent: pid_t
    let session: pid_t
    /// A zombie has ended; only its parent has not looked yet.
    let hasEnded: Bool

    init?(statLine line: String) {
        // The program's name stands in brackets and may contain anything, brackets too.
        guard let open = line.firstIndex(of: " "), let pid = pid_t(line[..<open]), let close = line.lastIndex(of: ")")
        else { return nil }
        let fields = line[line.index(after: close)...].split(whereSeparator: \.isWhitespace)
        guard fields.count > 19, let parent = pid_t(fields[1]), let session = pid_t(fields[3]),
            let started = UInt64(fields[19])
        else { return nil }
        identity = ProcessIdentity(pid: pid, started: started)
        self.parent = parent
        self.session = session
        hasEnded = fields[0] == "Z" || fields[0] == "X"
    }

    /// nil where there is no such process.
    init?(of pid: pid_t) {
        guard let line = try? readText("/proc/\(pid)/stat") else { return nil }
        self.init(statLine: line)
    }
}

extension ProcessIdentity {
    var isAlive: Bool {
        guard let status = ProcessStatus(of: pid) else { return false }
        return status.identity == self && !status.hasEnded
    }
}

/// Which processes belong to a runner, found without their cgroup.
enum ProcessTable {
    /// Carried in the environment of everything that a runner starts.
    static let marker = "LIAN_RUNNER"

    /// The recorded ones, what descends from them or shares their sessions, and what carries the runner's mark.
    static func members(of runnerID: String, recorded: [ProcessIdentity]) -> [ProcessIdentity] {
        let mark = Array("\(marker)=\(runnerID)".utf8)
        let all = ((try? folderEntries("/proc")) ?? []).compactMap { pid_t($0) }.compactMap { ProcessStatus(of: $0) }
            .filter { !$0.hasEnded && $0.identity.pid > 1 && $0.identity.pid != getpid() }
        var members = Set(all.map(\.identity).filter { recorded.contains($0) || carries(mark, $0.pid) })
        var grew = true
        while grew {
            let pids = Set(members.map(\.pid))
            let found = all.filter { pids.contains($0.parent) || pids.contains($0.session) }.map(\.identity)
            let before = members.count
            members.formUnion(found)
            grew = members.count > before
        }
        return Array(members)
    }

    private static func carries(_ mark: [UInt8], _ pid: pid_t) -> Bool {
        // Another user's environment cannot be read, and its processes are not ours to end.
        guard let environment = try? readFile("/proc/\(pid)/environ", limit: 4 << 20) else { return false }
        return environment.split(separator: 0).contains { $0.elementsEqual(mark) }
    }
}

/// The processes that this one has started and must collect when they end.
final class ChildProcesses: Sendable {
    private let running = Monitor<Set<pid_t>>([])

    func add(_ pid: pid_t) {
        _ = running.update { $0.insert(pid) }
    }

    func collectEnded() {
        running.update { running in
            for pid in running {
                var status: Int32 = 0
                if waitpid(pid, &status, WNOHANG) == pid { running.remove(pid) }
            }
        }
    }
}
