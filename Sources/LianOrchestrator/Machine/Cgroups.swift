import Glibc
import LianModel
import LianSystem

/// The machine's control groups, as far as runners are put into them: one group a runner, with the memory and the CPU
/// of its size, its sshd and its engine in a group `main` below it and the steps of its builds beside that.
struct Cgroups: Sendable {
    enum Version: Sendable { case one, two }

    struct Hierarchy: Sendable {
        let point: String
        let isUnified: Bool
        /// Its controllers are among them.
        let options: [Substring]
    }

    let version: Version
    /// Where the runners' groups lie, the same path in every hierarchy: the engines are told one path for all.
    let parent: String
    /// Every mounted hierarchy: engines make groups in all of them.
    let hierarchies: [Hierarchy]
    /// The hierarchy of each controller that a runner is put into, memory first.
    private let joined: [String]

    private static let folderName = "lian-orchestrator"

    /// What this machine has and this user may use; nil with the reason where that is nothing.
    static func available() -> Result<Cgroups, ProviderError> {
        let mounts: String
        do {
            mounts = try mountTable()
        } catch {
            return .failure(ProviderError("what is mounted cannot be read: \(error.reason)"))
        }
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
        hierarchies = mounted
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

    private static func mountTable() throws(FileReadFailure) -> String {
        try readText("/proc/self/mountinfo", limit: 64 << 20)
    }

    private static func mounted(_ mountinfo: String) -> [Hierarchy] {
        mountinfo.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 3, fields.count > 4 else { return nil }
            let type = fields[dash + 1]
            guard type == "cgroup" || type == "cgroup2" else { return nil }
            return Hierarchy(
                point: String(fields[4]), isUnified: type == "cgroup2", options: fields[dash + 3].split(separator: ","))
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
                guard error.code == ENOENT || error.code == ENODEV else { throw error }
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
            for hierarchy in hierarchies { try? makeFolder(hierarchy.point + path, mode: 0o755) }
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
        if try fileExists(file) { try writeFile(file, text) }
    }
}

// MARK: - Ending a group

extension Cgroups {
    /// The hierarchies that are mounted now: a group is removed even where none could be made today.
    static func mounted() throws(FileReadFailure) -> [Hierarchy] { mounted(try mountTable()) }

    /// Kills everything in the group and in the groups below it, in one pass. Where a write fails, who is still there
    /// afterwards tells of it.
    static func kill(_ path: String, in hierarchies: [Hierarchy]) throws {
        for hierarchy in hierarchies {
            let folder = hierarchy.point + path
            guard try fileExists(folder) else { continue }
            // One write where the kernel has it; else nobody may fork any more while each is killed.
            if fileKind("\(folder)/cgroup.kill") != nil { try? writeFile("\(folder)/cgroup.kill", "1") }
            if fileKind("\(folder)/pids.max") != nil { try? writeFile("\(folder)/pids.max", "0") }
            for pid in try members(of: folder) where pid > 1 && pid != getpid() { Glibc.kill(pid, SIGKILL) }
            // What stands frozen hears no signal. Where the folder of all groups is frozen, all of them are.
            thaw(parentFolder(folder))
            try thawAll(folder)
        }
    }

    /// Thaws the group of version 1 in which the process is, wherever that lies: there it does not even hear SIGKILL.
    static func thaw(_ pid: pid_t, in hierarchies: [Hierarchy]) throws {
        guard let freezer = hierarchies.first(where: { !$0.isUnified && $0.options.contains("freezer") }),
            let groups = try readIfThere("/proc/\(pid)/cgroup")
        else { return }
        if let path = group(of: "freezer", in: groups) { thaw(freezer.point + path) }
    }

    /// The path in /proc/PID/cgroup of the hierarchy of version 1 that has the controller.
    static func group(of controller: Substring, in groups: String) -> String? {
        for line in groups.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            if fields.count == 3, fields[1].split(separator: ",").contains(controller) { return String(fields[2]) }
        }
        return nil
    }

    private static func thaw(_ folder: String) {
        for (name, word) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            if fileKind("\(folder)/\(name)") != nil { try? writeFile("\(folder)/\(name)", word) }
        }
    }

    private static func thawAll(_ folder: String) throws {
        thaw(folder)
        for child in try children(of: folder) { try thawAll(child) }
    }

    static func hasMembers(_ path: String, in hierarchies: [Hierarchy]) throws -> Bool {
        try hierarchies.contains { try !members(of: $0.point + path).isEmpty }
    }

    private static func members(of folder: String) throws -> [pid_t] {
        let here = try ifThere { try readText("\(folder)/cgroup.procs") } ?? ""
        return try here.split(separator: "\n").compactMap { pid_t($0) } + children(of: folder).flatMap(members(of:))
    }

    private static func children(of folder: String) throws -> [String] {
        try (ifThere { try folderEntries(folder) } ?? []).map { "\(folder)/\($0)" }
            .filter { fileKind("\($0)/cgroup.procs") != nil }
    }

    /// nil where the group is gone, or about to go: then version 2 says that there is no such device. A threaded group
    /// has no processes of its own; the group above names them.
    static func ifThere<Value>(_ read: () throws -> Value) throws -> Value? {
        do {
            return try read()
        } catch FileReadFailure.system(let error) where [ENOENT, ENODEV, EOPNOTSUPP].contains(error.code) {
            return nil
        } catch let error as SystemError where [ENOENT, ENODEV].contains(error.code) {
            return nil
        }
    }

    /// Removes the group in every hierarchy, and the folder of all groups with the last of them.
    static func remove(_ path: String, from hierarchies: [Hierarchy]) throws {
        let end = ContinuousClock.now + .seconds(5)
        for hierarchy in hierarchies {
            try removeTree(hierarchy.point + path, until: end)
            if let slash = path.lastIndex(of: "/"), slash != path.startIndex { rmdir(hierarchy.point + path[..<slash]) }
        }
    }

    private static func removeTree(_ folder: String, until end: ContinuousClock.Instant) throws {
        guard try fileExists(folder) else { return }
        for child in try children(of: folder) { try removeTree(child, until: end) }
        // A member that was just killed still counts until it is out of the kernel.
        while rmdir(folder) != 0, errno != ENOENT && errno != ENODEV {
            guard errno == EBUSY, ContinuousClock.now < end else { throw SystemError("rmdir \(folder)") }
            usleep(10_000)
        }
    }
}
