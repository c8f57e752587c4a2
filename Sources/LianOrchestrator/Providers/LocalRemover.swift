import Glibc
import LianModel
import LianSystem

/// Removes local runners. It needs only what they left behind, so a sweep works even where no runner could be made.
package struct LocalRemover: RunnerRemover {
    /// The runners' processes that this process has started.
    let children = ChildProcesses()
    /// A process that was recorded in another boot no longer exists in this one.
    let bootID: String
    private let state: String
    /// The deletions under way, and those that have ended without a caller having heard of it yet.
    private let deletions = Monitor<[String: Deletion]>([:])
    private let deletionWait: Duration

    /// nil until the deletion is over.
    private typealias Deletion = Monitor<Result<Void, ProviderError>?>

    private static let teardownLimit: Duration = .seconds(20)

    package init(state: String, bootID: String, deletionWait: Duration = .seconds(3)) throws(ProviderError) {
        self.state = state
        self.bootID = bootID
        self.deletionWait = deletionWait
        do {
            try makeFolder(RunnerFolder.all(in: state))
            try makeFolder(RunnerFolder.allTrash(in: state))
        } catch {
            throw ProviderError("\(error)")
        }
    }

    package func destroy(_ runnerID: String) throws(ProviderError) -> Removal {
        let folder = RunnerFolder(state: state, runnerID: runnerID)
        guard Identifier.isID(runnerID) else { throw ProviderError("'\(runnerID)' is no runner's id") }
        return try asProviderError {
            if try fileExists(folder.path) {
                let group = try cgroupPath(of: folder)
                try endProcesses(folder, group: group)
                try Mounts.detachAll(below: folder.path)
                if let group { try Cgroups.remove(group, from: Cgroups.mounted()) }
            }
            return try removeFolder(folder)
        }
    }

    /// Ends all processes of a runner that is only being made, and removes what its engine has left besides the data.
    func endEngine(_ folder: RunnerFolder) throws {
        let group = try cgroupPath(of: folder)
        try endProcesses(folder, group: group)
        try Mounts.detachAll(below: folder.engineData)
        try Mounts.detachAll(below: folder.engineRun)
        // Nothing can be started in a group that was killed, so it is made anew.
        if let group { try Cgroups.remove(group, from: Cgroups.mounted()) }
        try Self.delete(folder.engineTraces)
    }

    /// The path in the runner's own file, if it is that of a runner's cgroup.
    private func cgroupPath(of folder: RunnerFolder) throws -> String? {
        guard let path = try readIfThere(folder.cgroup), path.hasPrefix("/"), path.hasSuffix("/\(folder.runnerID)")
        else { return nil }
        return path
    }

    /// Ends the runner's processes, found by cgroup and by record, descent, session and mark. So processes without the
    /// cgroup, or that have left it, are ended too.
    private func endProcesses(_ folder: RunnerFolder, group: String?) throws {
        let hierarchies = try Cgroups.mounted()
        let recorded = try RunnerFolder.Process.allCases.compactMap {
            try ProcessRecord.read(folder.record(of: $0))?.identity(in: bootID)
        }
        let end = ContinuousClock.now + Self.teardownLimit
        while true {
            if let group { try Cgroups.kill(group, in: hierarchies) }
            let members = try ProcessTable.members(of: folder.runnerID, recorded: recorded)
            for member in members where try member.isAlive() {
                kill(member.pid, SIGKILL)
                try Cgroups.thaw(member.pid, in: hierarchies)
            }
            children.collectEnded()
            let groupIsEmpty = try group.map { try !Cgroups.hasMembers($0, in: hierarchies) } ?? true
            if members.isEmpty && groupIsEmpty { return }
            guard ContinuousClock.now < end else {
                throw ProviderError("processes live on after SIGKILL: \(members.map(\.pid))")
            }
            usleep(5000)
        }
    }

    /// Moves the folder aside, which takes no time, and deletes it there. A build may have left hundreds of thousands
    /// of files, so a caller waits for the deletion only for a while, and calls again to learn how it ended.
    private func removeFolder(_ folder: RunnerFolder) throws -> Removal {
        // What an earlier try moved there is deleted first, because the folder cannot be moved over it.
        let isBeside = try fileExists(folder.path)
        if isBeside, try fileExists(folder.trash), try delete(folder) == .deleting { return .deleting }
        guard !isBeside || rename(folder.path, folder.trash) == 0 else { throw SystemError("rename \(folder.path)") }
        return try delete(folder)
    }

    /// Deletes what is in the trash, by the deletion that is under way or by a new one, and returns how that ended.
    private func delete(_ folder: RunnerFolder) throws -> Removal {
        let deletion = try deletions.update { running -> Deletion? in
            if let deletion = running[folder.runnerID] { return deletion }
            guard try fileExists(folder.trash) else { return nil }
            // Whoever knew the folder's path may have mounted something in it before it was moved. rm would descend
            // into a bind mount from the same file system.
            try Mounts.detachAll(below: folder.trash)
            let deletion = Deletion(nil)
            try startThread {
                let result = Result { () throws(ProviderError) in try Self.delete([folder.trash]) }
                deletion.update { $0 = result }
            }
            running[folder.runnerID] = deletion
            return deletion
        }
        guard let deletion else { return .complete }
        guard let result = deletion.wait(atMost: deletionWait, until: { $0 }) else { return .deleting }
        deletions.update { $0[folder.runnerID] = nil }
        try result.get()
        return .complete
    }

    private static func delete(_ paths: [String]) throws(ProviderError) {
        // rm follows no links and, with this option, enters no other file system. It also copes with folders that are
        // deeper than a path may be long, as those of a build may be.
        let command = Command("/bin/rm", ["-rf", "--one-file-system", "--"] + paths, environment: [:])
        var problem = ""
        // A child of an orchestrator that was killed may still write a last file, hence more than one try.
        for _ in 0..<5 {
            do {
                let result = try runBlocking(command, deadline: .seconds(3600))
                if result.termination.isSuccess { return }
                problem = result.errorText.trimmingLineEnd()
            } catch {
                throw ProviderError("rm: \(error)")
            }
            usleep(20_000)
        }
        throw ProviderError(problem)
    }

    package func isAlive(_ runnerID: String) throws(ProviderError) -> Bool {
        children.collectEnded()
        let file = RunnerFolder(state: state, runnerID: runnerID).record(of: .sshd)
        return try asProviderError {
            guard let record = try ProcessRecord.read(file) else { return false }
            guard let identity = record.identity, let boot = record.bootID else {
                throw ProviderError("\(file) tells of no process")
            }
            return try boot == bootID && identity.isAlive()
        }
    }

    package func existing() throws(ProviderError) -> [String] {
        try asProviderError {
            let folders = [RunnerFolder.all(in: state), RunnerFolder.allTrash(in: state)]
            return Set(try folders.flatMap(folderEntries)).filter(Identifier.isID).sorted()
        }
    }
}
