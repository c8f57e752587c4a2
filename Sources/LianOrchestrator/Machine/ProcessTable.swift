import Glibc
import LianSystem

/// Identifies one process: a pid is used again, but not together with the same start time.
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
    /// Whether it is a zombie: it has ended, and only its parent has not collected it yet.
    let hasEnded: Bool

    init?(statLine line: String) {
        let fields = fieldsBehindName(ofStatLine: line)
        guard let open = line.firstIndex(of: " "), let pid = pid_t(line[..<open]), fields.count > 19,
            let parent = pid_t(fields[1]), let session = pid_t(fields[3]),
            let started = UInt64(fields[19])
        else { return nil }
        identity = ProcessIdentity(pid: pid, started: started)
        self.parent = parent
        self.session = session
        hasEnded = fields[0] == "Z" || fields[0] == "X"
    }

    /// nil where there is no such process; throws where that cannot be found out.
    init?(of pid: pid_t) throws(FileReadFailure) {
        guard let line = try readIfThere("/proc/\(pid)/stat") else { return nil }
        self.init(statLine: line)
    }
}

extension ProcessIdentity {
    func isAlive() throws(FileReadFailure) -> Bool {
        guard let status = try ProcessStatus(of: pid) else { return false }
        return status.identity == self && !status.hasEnded
    }
}

/// The file's text; nil where the file or its process does not exist any more. Any other failure is thrown.
func readIfThere(_ file: String, limit: Int = 1 << 20) throws(FileReadFailure) -> String? {
    do {
        return try readText(file, limit: limit)
    } catch {
        if error.isOne(of: ENOENT, ESRCH) { return nil }
        guard case .system(let error) = error else { throw error }
        throw .system(SystemError("read \(file)", error.code))
    }
}

extension FileReadFailure {
    func isOne(of codes: Int32...) -> Bool {
        guard case .system(let error) = self else { return false }
        return codes.contains(error.code)
    }
}

/// Finds the processes of a runner without its cgroup.
enum ProcessTable {
    /// Carried in the environment of everything that a runner starts.
    static let marker = "LIAN_RUNNER"

    /// The recorded processes, their descendants, those that share a session with them, and those that carry the
    /// runner's mark. Throws where the table cannot be read completely, because a process that is missing from it may
    /// still exist.
    static func members(of runnerID: String, recorded: [ProcessIdentity]) throws -> [ProcessIdentity] {
        let mark = Array("\(marker)=\(runnerID)".utf8)
        let all = try living()
        var members: Set<ProcessIdentity> = []
        for status in all where try recorded.contains(status.identity) || carries(mark, status.identity.pid) {
            members.insert(status.identity)
        }
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

    private static func living() throws -> [ProcessStatus] {
        var all: [ProcessStatus] = []
        for pid in try folderEntries("/proc").compactMap({ pid_t($0) }) where pid > 1 && pid != getpid() {
            do {
                if let status = try ProcessStatus(of: pid), !status.hasEnded { all.append(status) }
            } catch {
                // The process is another user's, on a machine that hides those: it is not ours to end.
                guard error.isOne(of: EACCES, EPERM) else { throw error }
            }
        }
        return all
    }

    private static func carries(_ mark: [UInt8], _ pid: pid_t) throws -> Bool {
        let environment: [UInt8]
        do {
            environment = try readFile("/proc/\(pid)/environ", limit: 16 << 20)
        } catch {
            // If this process lacks descriptors or memory, nothing is known. Otherwise the process has ended, or it is
            // another user's: its environment cannot be read, and it is not ours to end.
            if error.isOne(of: EMFILE, ENFILE, ENOMEM, EAGAIN) { throw error }
            return false
        }
        return environment.split(separator: 0).contains { $0.elementsEqual(mark) }
    }
}
