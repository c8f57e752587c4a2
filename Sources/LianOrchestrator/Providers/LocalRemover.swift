import Glibc
import LianModel
import LianSystem

/// Removes local runners: it needs nothing but what they left, so that a sweep runs where none could be made.
package struct LocalRemover: RunnerRemover {
    /// What this process has started of them.
    let children = ChildProcesses()
    private let state: String

    private static let teardownLimit: Duration = .seconds(20)
    private static let deletionWait: Duration = .seconds(3)

    package init(state: String) throws(ProviderError) {
        self.state = state
        do {
            try makeFolder(RunnerFolder.all(in: state))
            try makeFolder(RunnerFolder.allTrash(in: state))
        } catch {
            throw ProviderError("\(error)")
        }
    }

    package func destroy(_ runnerID: String) throws(ProviderError) {
        let folder = RunnerFolder(state: state, runnerID: runnerID)
        guard Identifier.isID(runnerID) else { throw ProviderError("'\(runnerID)' is no runner's id") }
        guard fileKind(folder.path) != nil || fileKind(folder.trash) != nil else { return }
        do {
            let group = cgroupPath(of: folder)
            try endProcesses(folder, group: group)
            try Mounts.detachAll(below: folder.path)
            if let group { try Cgroups.remove(group, from: Cgroups.mountedHierarchies()) }
            try removeFolder(folder)
        } catch let error as ProviderError {
            throw error
        } catch {
            throw ProviderError("\(error)")
        }
    }

    /// The path that the runner's own file tells, where it is one of a runner.
    private func cgroupPath(of folder: RunnerFolder) -> String? {
        guard let path = try? readText(folder.cgroup), path.hasPrefix("/"), path.hasSuffix("/\(folder.runnerID)")
        else { return nil }
        return path
    }

    /// By cgroup, and by record, descent, session and mark: what has no cgroup, or has left it, is ended too.
    private func endProcesses(_ folder: RunnerFolder, group: String?) throws {
        let hierarchies = group == nil ? [] : Cgroups.mountedHierarchies()
        let recorded = RunnerFolder.Process.allCases.compactMap { Launcher.recorded(folder.record(of: $0)) }
        let end = ContinuousClock.now + Self.teardownLimit
        while true {
            if let group { Cgroups.kill(group, in: hierarchies) }
            let members = ProcessTable.members(of: folder.runnerID, recorded: recorded)
            for member in members where member.isAlive { kill(member.pid, SIGKILL) }
            children.collectEnded()
            let groupIsEmpty = group.map { !Cgroups.hasMembers($0, in: hierarchies) } ?? true
            if members.isEmpty && groupIsEmpty { return }
            guard ContinuousClock.now < end else {
                throw ProviderError("processes live on after SIGKILL: \(members.map(\.pid))")
            }
            usleep(5000)
        }
    }

    /// Moves the folder aside, which takes no time, and deletes it there. A build may have left files by the hundred
    /// thousand: a caller waits for their deletion only so long, and it goes on without one.
    private func removeFolder(_ folder: RunnerFolder) throws {
        guard rename(folder.path, folder.trash) == 0 || errno == ENOENT else {
            throw SystemError("rename \(folder.path)")
        }
        guard fileKind(folder.trash) != nil else { return }
        // Whoever knew the folder's path may have mounted something there until it was moved. rm would go into what is
        // bound from the same file system.
        try Mounts.detachAll(below: folder.trash)
        let outcome = Monitor<Result<Void, ProviderError>?>(nil)
        try startThread {
            let result = Result { () throws(ProviderError) in try Self.delete(folder.trash) }
            outcome.update { $0 = result }
        }
        try outcome.wait(atMost: Self.deletionWait) { $0 }?.get()
    }

    private static func delete(_ path: String) throws(ProviderError) {
        // rm follows no link and, told so, enters no other file system. It also knows how to go deeper than a path
        // may be long, and a build's folders may be that deep.
        let command = Command("/bin/rm", ["-rf", "--one-file-system", "--", path], environment: [:])
        var problem = ""
        // A child of an orchestrator that was killed may write a last file meanwhile: more than one try.
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

    package func isAlive(_ runnerID: String) -> Bool {
        children.collectEnded()
        let folder = RunnerFolder(state: state, runnerID: runnerID)
        return Launcher.recorded(folder.record(of: .sshd))?.isAlive == true
    }

    package func existing() throws(ProviderError) -> [String] {
        do {
            let folders = [RunnerFolder.all(in: state), RunnerFolder.allTrash(in: state)]
            return try folders.flatMap(folderEntries).filter(Identifier.isID)
        } catch {
            throw ProviderError("\(error)")
        }
    }
}
