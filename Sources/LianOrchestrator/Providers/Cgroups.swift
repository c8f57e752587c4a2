import Glibc
import LianModel
import LianSystem

/// The machine's control groups, as far as runners are put into them: one group a runner, with the memory and the CPU
/// of its size, its sshd and its engine in a group `main` below it and the steps of its builds beside that.
struct Cgroups: Sendable {
    enum Version: Sendable { case one, two }

    let version: Version
    /// Where the runners' groups lie, the same path in every hierarchy: the engines are told one path for all.
    let parent: String
    /// Every mounted hierarchy: engines make groups in all of them.
    let hierarchies: [String]
    /// The hierarchy of each controller that a runner is put into, memory first.
    private let joined: [String]

    private static let folderName = "lian-orchestrator"

    /// What this machine has and this user may use; nil with the reason where that is nothing.
    static func available() -> Result<Cgroups, ProviderError> {
        let mounts = (try? readText("/proc/self/mountinfo", limit: 64 << 20)) ?? ""
        guard let cgroups = Cgroups(mountinfo: mounts) else {
            return .failure(ProviderError("no cgroup hierarchy with a memory controller is mounted"))
        }
        let probe = "probe-\(getpid())"
        do {
            try cgroups.make(probe, size: WireSize(tier: nil, cpu: 1, memoryMB: WireSize.memoryMBRange.lowerBound))
        } catch {
            try? Cgroups.remove(cgroups.path(of: probe), from: cgroups.hierarchies)
            return .failure(ProviderError("\(error)"))
        }
        do {
            try Cgroups.remove(cgroups.path(of: probe), from: cgroups.hierarchies)
            return .success(cgroups)
        } catch {
            return .failure(ProviderError("\(error)"))
        }
    }

    init?(mountinfo: String) {
        let mounted = Self.mounted(mountinfo)
        hierarchies = mounted.map(\.point)
        parent = "/\(Self.folderName)"
        func hierarchy(of controller: String) -> String? {
            mounted.first { !$0.isUnified && $0.options.contains(Substring(controller)) }?.point
        }
        if let memory = hierarchy(of: "memory") {
            version = .one
            // cpuacct and pids only count and fence; memory and cpu are the size. Some are mounted together.
            var joined = [memory]
            for found in ["cpu", "cpuacct", "pids"].compactMap(hierarchy(of:)) where !joined.contains(found) {
                joined.append(found)
            }
            self.joined = joined
        } else if let unified = mounted.first(where: \.isUnified)?.point {
            version = .two
            joined = [unified]
        } else {
            return nil
        }
    }

    private static func mounted(_ mountinfo: String) -> [(point: String, isUnified: Bool, options: [Substring])] {
        mountinfo.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 3, fields.count > 4 else { return nil }
            let type = fields[dash + 1]
            guard type == "cgroup" || type == "cgroup2" else { return nil }
            return (String(fields[4]), type == "cgroup2", fields[dash + 3].split(separator: ","))
        }
    }

    /// The runner's path within each hierarchy.
    func path(of runnerID: String) -> String { "\(parent)/\(runnerID)" }

    /// The folder in which the client reads what the runner used.
    func memoryFolder(of runnerID: String) -> String { joined[0] + path(of: runnerID) }

    /// The files that a process writes itself into to become part of the runner.
    func entries(of runnerID: String) -> [String] {
        joined.map { "\($0)\(path(of: runnerID))/main/cgroup.procs" }
    }

    func make(_ runnerID: String, size: WireSize) throws(SystemError) {
        for _ in 0..<20 {
            do {
                return try makeOnce(runnerID, size: size)
            } catch {
                // The folder of all groups goes with the last of them: it went just now, by another's hand.
                guard error.code == ENOENT else { throw error }
            }
        }
        try makeOnce(runnerID, size: size)
    }

    private func makeOnce(_ runnerID: String, size: WireSize) throws(SystemError) {
        let path = path(of: runnerID)
        let bytes = String(size.memoryMB << 20)
        let period = 100_000
        let quota = size.cpu * period
        if version == .two {
            let controllers = "+memory +cpu +pids"
            try writeFile("\(joined[0])/cgroup.subtree_control", controllers)
            try makeFolder(joined[0] + parent, mode: 0o755)
            try writeFile("\(joined[0])\(parent)/cgroup.subtree_control", controllers)
            try makeFolder(joined[0] + path, mode: 0o755)
            try writeFile("\(joined[0])\(path)/cgroup.subtree_control", controllers)
            try writeFile("\(joined[0])\(path)/memory.max", bytes)
            try writeFile("\(joined[0])\(path)/cpu.max", "\(quota) \(period)")
            try Self.writeWhereThere("\(joined[0])\(path)/memory.swap.max", "0")
        } else {
            for hierarchy in joined { try makeFolder(hierarchy + path, mode: 0o755) }
            // The engine makes its steps' groups in every hierarchy: what is above them must not go meanwhile.
            for hierarchy in hierarchies { try? makeFolder(hierarchy + path, mode: 0o755) }
            try writeFile("\(joined[0])\(path)/memory.limit_in_bytes", bytes)
            // Memory and swap together: no swapping beyond the size. A little more than it, or the kernel would count a
            // full runner here and not in memory.failcnt, where the client looks.
            let withSwap = String((size.memoryMB + 1) << 20)
            try Self.writeWhereThere("\(joined[0])\(path)/memory.memsw.limit_in_bytes", withSwap)
            for hierarchy in joined {
                try Self.writeWhereThere("\(hierarchy)\(path)/cpu.cfs_period_us", String(period))
                try Self.writeWhereThere("\(hierarchy)\(path)/cpu.cfs_quota_us", String(quota))
            }
        }
        for hierarchy in joined { try makeFolder("\(hierarchy)\(path)/main", mode: 0o755) }
    }

    private static func writeWhereThere(_ file: String, _ text: String) throws(SystemError) {
        if fileKind(file) != nil { try writeFile(file, text) }
    }
}

// MARK: - Ending a group

extension Cgroups {
    /// The hierarchies that are mounted now: a group is removed even where none could be made today.
    static func mountedHierarchies() -> [String] {
        mounted((try? readText("/proc/self/mountinfo", limit: 64 << 20)) ?? "").map(\.point)
    }

    /// Kills everything in the group and in the groups below it, in one pass.
    static func kill(_ path: String, in hierarchies: [String]) {
        for hierarchy in hierarchies {
            let folder = hierarchy + path
            guard fileKind(folder) != nil else { continue }
            // One write where the kernel has it; else nobody may fork any more while each is killed.
            if fileKind("\(folder)/cgroup.kill") != nil { try? writeFile("\(folder)/cgroup.kill", "1") }
            if fileKind("\(folder)/pids.max") != nil { try? writeFile("\(folder)/pids.max", "0") }
            for pid in members(of: folder) where pid > 1 && pid != getpid() { Glibc.kill(pid, SIGKILL) }
        }
    }

    static func hasMembers(_ path: String, in hierarchies: [String]) -> Bool {
        hierarchies.contains { !members(of: $0 + path).isEmpty }
    }

    private static func members(of folder: String) -> [pid_t] {
        let here = ((try? readText("\(folder)/cgroup.procs")) ?? "").split(separator: "\n").compactMap { pid_t($0) }
        return here + children(of: folder).flatMap(members(of:))
    }

    private static func children(of folder: String) -> [String] {
        ((try? folderEntries(folder)) ?? []).map { "\(folder)/\($0)" }.filter { fileKind("\($0)/cgroup.procs") != nil }
    }

    /// Removes the group in every hierarchy, and the folder of all groups with the last of them.
    static func remove(_ path: String, from hierarchies: [String]) throws(SystemError) {
        for hierarchy in hierarchies {
            try removeTree(hierarchy + path)
            if let slash = path.lastIndex(of: "/"), slash != path.startIndex { rmdir(hierarchy + path[..<slash]) }
        }
    }

    private static func removeTree(_ folder: String) throws(SystemError) {
        guard fileKind(folder) != nil else { return }
        for child in children(of: folder) { try removeTree(child) }
        // A member that was just killed still counts until it is out of the kernel.
        for _ in 0..<500 {
            if rmdir(folder) == 0 || errno == ENOENT { return }
            guard errno == EBUSY else { break }
            usleep(10_000)
        }
        throw SystemError("rmdir \(folder)")
    }
}
