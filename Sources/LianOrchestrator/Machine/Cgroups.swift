import Glibc
import LianModel
import LianSystem

/// The control groups of the machine that runners are put into. Each runner has a group with the memory and the CPU of
/// its size. Its sshd and its engine are in a group `main` below that group, and the steps of its builds are beside
/// `main`.
struct Cgroups: Sendable {
    enum Version: Sendable { case one, two }

    struct Hierarchy: Sendable {
        let point: String
        let isUnified: Bool
        /// The mount's options, which include the controllers.
        let options: [Substring]
    }

    let version: Version
    /// The path of the folder with the runners' groups. It is the same in every hierarchy, because engines are told
    /// only one path.
    let parent: String
    /// Every mounted hierarchy, because engines make groups in all of them.
    let hierarchies: [Hierarchy]
    /// The hierarchies whose controllers apply to a runner, that of memory first.
    private let joined: [String]

    private static let folderName = "lian-orchestrator"
    /// The part of a runner's group that its sshd and its engine are in.
    private static let mainGroup = "main"

    /// The control groups that this machine has and this user may use, or the reason why there are none.
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
            // memory and cpu enforce the size; cpuacct and pids only count and confine. Some of them are mounted
            // together.
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

    /// The path of the runner's group within each hierarchy.
    func path(of runnerID: String) -> String { "\(parent)/\(runnerID)" }

    /// The folder in which the client reads what the runner used.
    func memoryFolder(of runnerID: String) -> String { joined[0] + path(of: runnerID) }

    /// The files that a process writes itself into to become part of the runner.
    func entries(of runnerID: String) -> [String] {
        joined.map { "\($0)\(path(of: runnerID))/\(Self.mainGroup)/cgroup.procs" }
    }

    func make(_ runnerID: String, size: WireSize) throws(SystemError) {
        for _ in 0..<20 {
            do {
                return try makeOnce(runnerID, size: size)
            } catch {
                // The folder of all groups is removed with the last group. Somebody else has just done that.
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
            // The engine makes groups for its steps in every hierarchy: the folders above them must not be removed
            // meanwhile.
            for hierarchy in hierarchies { try? makeFolder(hierarchy.point + path, mode: 0o755) }
            try writeFile("\(joined[0])\(path)/memory.limit_in_bytes", bytes)
            // Limits memory and swap together, so that nothing beyond the size is swapped. The limit is a little above
            // the size, or the kernel would count a full runner here and not in memory.failcnt, where the client looks.
            let withSwap = String((size.memoryMB + 1) << 20)
            try Self.writeWhereThere("\(joined[0])\(path)/memory.memsw.limit_in_bytes", withSwap)
            for hierarchy in joined {
                try Self.writeWhereThere("\(hierarchy)\(path)/cpu.cfs_period_us", String(period))
                try Self.writeWhereThere("\(hierarchy)\(path)/cpu.cfs_quota_us", String(quota))
            }
        }
        for hierarchy in joined { try makeFolder("\(hierarchy)\(path)/\(Self.mainGroup)", mode: 0o755) }
    }

    private static func writeWhereThere(_ file: String, _ text: String) throws(SystemError) {
        if try fileExists(file) { try writeFile(file, text) }
    }
}

// MARK: - Ending a group

extension Cgroups {
    /// The hierarchies that are mounted now. They are needed to remove groups even where no group could be made now.
    static func mounted() throws(FileReadFailure) -> [Hierarchy] { mounted(try mountTable()) }

    /// Kills everything in the group and in the groups below it, in one pass. Failed writes are ignored: the caller
    /// sees which processes are still there.
    static func kill(_ path: String, in hierarchies: [Hierarchy]) throws {
        for folder in foldersToKill(path, in: hierarchies) where try fileExists(folder) {
            // Newer kernels kill all with one write. For others, no process may fork while each one is killed.
            if fileKind("\(folder)/cgroup.kill") != nil { try? writeFile("\(folder)/cgroup.kill", "1") }
            if fileKind("\(folder)/pids.max") != nil { try? writeFile("\(folder)/pids.max", "0") }
            for pid in try members(of: folder) where pid > 1 && pid != getpid() { Glibc.kill(pid, SIGKILL) }
            // Frozen processes get no signal. If the folder of all groups is frozen, so is every group in it.
            thaw(parentFolder(folder))
            try thawAll(folder)
        }
    }

    /// What a runner's steps report to comes first, in every hierarchy: an engine that outlived them by a moment would
    /// tell the client of steps that were killed, as if memory had run out.
    static func foldersToKill(_ path: String, in hierarchies: [Hierarchy]) -> [String] {
        ["\(path)/\(mainGroup)", path].flatMap { path in hierarchies.map { $0.point + path } }
    }

    /// Thaws the group of version 1 that the process is in, wherever that is: a frozen process does not even get
    /// SIGKILL.
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

    /// nil where the group is gone or just going; version 2 then reports that there is no such device. A threaded group
    /// has no processes of its own; the group above it lists them.
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
        // A member that was just killed counts until the kernel has cleared it away.
        while rmdir(folder) != 0, errno != ENOENT && errno != ENODEV {
            guard errno == EBUSY, ContinuousClock.now < end else { throw SystemError("rmdir \(folder)") }
            usleep(10_000)
        }
    }
}
