import Glibc
import LianModel
import LianSystem

/// Runners on this machine: a folder each, with a private sshd, a work folder and an engine.
package struct LocalProvider: RunnerProvider {
    package let name: String
    package var kind: String {
        (engine == EngineChoice.docker.rawValue ? ProviderConfig.Kind.dockerLocal : .local).rawValue
    }
    package var engine: String { engines.engine.name }
    package var engineKind: EngineKind? { engines.engine.kind }

    private let state: String
    private let user: String
    /// The PATH of runners, behind their own programs.
    private let path: String
    private let engines: LocalEngines
    private let sshServer: SSHServer
    private let launcher: Launcher
    private let remover: LocalRemover
    private let log: EventLog

    private static let sshdStart: Duration = .seconds(20)
    private static let portTries = 20

    /// Finds everything that runners need; throws the complete list of what is missing.
    package init(
        name: String = ProviderConfig.Kind.local.rawValue, state: String, engine choice: EngineChoice,
        environment: [String: String], remover: LocalRemover,
        engineStart: Duration = .seconds(10), log: EventLog
    ) throws(ProviderError) {
        self.name = name
        self.state = state
        self.remover = remover
        self.log = log
        path = Self.searchPath(environment["PATH"])
        let buildEngine: any BuildEngine
        (sshServer, buildEngine) = try Self.find(in: state, choice, environment)
        guard let entry = getpwuid(geteuid()) else { throw ProviderError("user \(geteuid()) has no name") }
        user = String(cString: entry.pointee.pw_name)
        if geteuid() == 0 {
            try PrivilegeSeparation.prepare()
            if SSHServer.isLocked(user, shadow: (try? readText("/etc/shadow")) ?? "") {
                throw ProviderError(
                    "sshd lets nobody in as \(user), whose account is locked: unlock it by `usermod -p '*' \(user)`")
            }
            do {
                try PrivilegeSeparation.keep(log: log)
            } catch {
                throw ProviderError("\(error)")
            }
        }
        let cgroups: Cgroups?
        switch Cgroups.available() {
        case .success(let available):
            cgroups = available
        case .failure(let problem):
            cgroups = nil
            log.warning("no_limits", "runners get no limits of memory and CPU: \(problem)")
        }
        let mountNamespace: MountNamespace?
        switch MountNamespace.available(path: path) {
        case .success(let namespace):
            mountNamespace = namespace
        case .failure(let problem):
            mountNamespace = nil
            if geteuid() == 0 { log.warning("no_mount_namespace", "runners share this machine's mounts: \(problem)") }
        }
        launcher = Launcher(
            children: remover.children, bootID: remover.bootID, cgroups: cgroups, mountNamespace: mountNamespace)
        engines = LocalEngines(buildEngine, launcher: launcher, startLimit: engineStart)
        let sample = Self.sample(in: state)
        let excess = sample.longestAgentSocket.utf8.count - RunnerFolder.socketLimit
        if buildEngine.longestSocket(in: sample) != nil, excess > 0 {
            log.warning(
                "no_agents",
                "builds cannot use --ssh: for that the state folder's path may have \(state.utf8.count - excess) "
                    + "characters, for the sockets below it; choose a shorter one by --state")
        }
    }

    private static func sample(in state: String) -> RunnerFolder {
        RunnerFolder(state: state, runnerID: "r-0000000000")
    }

    /// What runners need of this machine. Nothing is made.
    static func find(
        in state: String, _ choice: EngineChoice, _ environment: [String: String]
    ) throws(ProviderError) -> (SSHServer, any BuildEngine) {
        let path = searchPath(environment["PATH"])
        guard let sshd = findExecutable("sshd", path: path), let keygen = findExecutable("ssh-keygen", path: path)
        else { throw ProviderError("sshd and ssh-keygen are not both on PATH: install openssh-server") }
        let sample = sample(in: state)
        let engine: any BuildEngine
        do {
            engine = try choice.find(path: path, environment: environment, ofRunner: sample.environment(path: path))
        } catch {
            throw ProviderError("no build engine: \(error)")
        }
        try check(sample, in: state, for: engine)
        return (SSHServer(sshd: sshd, sshKeygen: keygen), engine)
    }

    /// sshd executes itself anew for each connection and needs its files again each time, so they are checked again
    /// here.
    package var problem: String? {
        guard access(sshServer.sshd, X_OK) == 0 else {
            return "\(sshServer.sshd) is gone, by which runners are reached: install openssh-server again"
        }
        do throws(ProviderError) {
            if geteuid() == 0 { try PrivilegeSeparation.prepare() }
            return nil
        } catch {
            return error.description
        }
    }

    /// Socket paths have a limit, and sshd's configuration and the contract's work_dir take no odd characters.
    private static func check(
        _ sample: RunnerFolder, in state: String, for engine: any BuildEngine
    ) throws(ProviderError) {
        // containerd allows paths that are three bytes shorter than the kernel does.
        let limit = 104
        if let socket = engine.longestSocket(in: sample), socket.utf8.count > limit {
            let room = limit - (socket.utf8.count - state.utf8.count)
            throw ProviderError(
                "the state folder's path may have \(room) characters, for the sockets below it: \(state); choose a "
                    + "shorter one by --state")
        }
        guard sample.path.utf8.allSatisfy(isPlain) else {
            throw ProviderError(
                "the state folder's path may contain letters, digits and '/', '.', '_', '-', '+', '=', '@' only: "
                    + state)
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        Identifier.isAlphanumeric(byte) || "/._-+=@".utf8.contains(byte)
    }

    /// The orchestrator's own PATH and the folders of system programs. Folders with unusual names are left out, since
    /// the whole is written into sshd's configuration.
    static func searchPath(_ path: String?) -> String {
        var folders: [Substring] = []
        let system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        for folder in "\(path ?? ""):\(system)".split(separator: ":")
        where folder.hasPrefix("/") && folder.utf8.allSatisfy(isPlain) && !folders.contains(folder) {
            folders.append(folder)
        }
        return folders.joined(separator: ":")
    }
}

// MARK: - What can be served

extension LocalProvider {
    package func refusal(of request: SpawnRequest) -> String? {
        if let region = request.region { return "region '\(region)' is not served here: there is this machine alone" }
        if let image = request.image {
            return "runner image '\(image)' is not served here: runners are this machine as it is"
        }
        if let platform = request.platform, !platforms.contains(platform) {
            return "platform '\(platform)' is not served here: this machine is \(platforms.joined(separator: " and "))"
        }
        return nil
    }

    #if arch(arm64)
        package var platform: String { "linux/arm64" }
    #else
        package var platform: String { "linux/amd64" }
        /// Its processors run programs of 32 bits as they are.
        package var platforms: [String] { [platform, "linux/386"] }
    #endif
}

extension LocalProvider {
    /// A runner takes little room itself; with less than this a build would only find out later.
    private static let leastRoom = 64 << 20

    package func obstacle(to request: SpawnRequest) -> SpawnObstacle? {
        guard let disk = try? VolumeFolders.room(at: state), disk.free < min(Self.leastRoom, disk.size / 16) else {
            return nil
        }
        return .diskFull("the disk of the state folder is full: it has \(disk.free >> 20) MB left")
    }
}

// MARK: - Making one

extension LocalProvider {
    package func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace {
        try asProviderError { try make(order, isWanted: isWanted) }
    }

    private func make(_ order: RunnerOrder, isWanted: () -> Bool) throws -> RunnerPlace {
        let id = order.runnerID
        let volume = order.volume
        let folder = RunnerFolder(state: state, runnerID: id, volume: volume?.folder)
        for path in folder.folders { try makeFolder(path) }
        if let cgroups = launcher.cgroups {
            // The path is written first: from it, whoever removes the runner later learns which cgroup may exist.
            try replaceFile(folder.cgroup, cgroups.path(of: id), outlivesPowerLoss: false)
            try cgroups.make(id, size: order.request.size)
        }
        let hasMemory = mountMemory(folder)
        try writeFile(folder.authorizedKeys, order.key.line + "\n")
        try engines.prepare(folder)
        let hostKey = try sshServer.makeHostKey(in: folder)
        let environment = environment(of: folder, hasMemory: hasMemory)
        if volume?.isWarm == true {
            try startEngineOnWarmVolume(order, folder, environment: environment, isWanted: isWanted)
        }
        let port = try startSSHD(folder, environment: environment, isWanted: isWanted) {
            if volume?.isWarm != true { try engines.start(in: folder, environment: environment) }
        }
        return RunnerPlace(
            host: "127.0.0.1", port: Int(port), user: user, hostKeys: [hostKey], workDir: folder.work,
            buildkitAddress: engines.engine.address(in: folder))
    }

    /// Returns once the engine serves. Where it does not come up with what it finds on the volume, it is started again
    /// on an empty one, and nobody waits for that. The runner's sshd is not there yet, so the engine is all that runs.
    private func startEngineOnWarmVolume(
        _ order: RunnerOrder, _ folder: RunnerFolder, environment: [String: String], isWanted: () -> Bool
    ) throws {
        try engines.start(in: folder, environment: environment)
        let problem = try engines.problemAtStart(in: folder, environment: environment, isWanted: isWanted)
        guard let problem else { return }
        let log = String((try readIfThere(folder.engineLog) ?? "").suffix(500)).trimmingLineEnd()
        self.log.warning(
            "volume_damaged", "the engine of \(order.runnerID) does not come up on its volume: \(problem.text)",
            ["runner_id": .string(order.runnerID), "engine_log": .string(log)])
        try remover.endEngine(folder)
        try launcher.cgroups?.make(order.runnerID, size: order.request.size)
        var folder = folder
        folder.volume = order.replaceVolume(problem.hasEnded ? .engineEnds : .engineIsSlow)?.folder
        try makeFolder(folder.engineRun)
        try engines.prepare(folder)
        try engines.start(in: folder, environment: environment)
    }

    /// The secrets of a build belong in memory. If mounting is not allowed, the session is not told of such a folder.
    private func mountMemory(_ folder: RunnerFolder) -> Bool {
        guard geteuid() == 0 else { return false }
        let flags = UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)
        if mount("tmpfs", folder.memory, "tmpfs", flags, "mode=0700,size=64m") == 0 { return true }
        let problem = SystemError("mount \(folder.memory)")
        log.warning("no_memory_folder", "\(problem)", ["runner_id": .string(folder.runnerID)])
        return false
    }

    private func environment(of folder: RunnerFolder, hasMemory: Bool) -> [String: String] {
        var environment = folder.environment(path: path)
        environment[ProcessTable.marker] = folder.runnerID
        if hasMemory { environment["XDG_RUNTIME_DIR"] = folder.memory }
        // The client is told of the group only if the engine's usage is counted in it too.
        if let cgroups = launcher.cgroups, engine != "docker" {
            environment["LIAN_CGROUP"] = cgroups.memoryFolder(of: folder.runnerID)
        }
        return environment.merging(engines.engine.environment(in: folder)) { $1 }
    }

    /// Starts sshd, and does the rest while it comes up. Returns the port once sshd has bound it.
    private func startSSHD(
        _ folder: RunnerFolder, environment: [String: String], isWanted: () -> Bool, meanwhile: () throws -> Void
    ) throws -> UInt16 {
        if geteuid() == 0 { try PrivilegeSeparation.prepare() }
        for attempt in 0..<Self.portTries {
            let port = try SSHServer.freePort()
            try writeFile(
                folder.sshdConfiguration,
                SSHServer.configuration(folder: folder, user: user, port: port, environment: environment))
            let sshd = try launcher.launch(
                sshServer.command(in: folder, environment: environment), as: .sshd, in: folder)
            if attempt == 0 { try meanwhile() }
            if try hasBound(folder, sshd.pid, isWanted: isWanted) { return port }
        }
        throw ProviderError("no free port was left to sshd in \(Self.portTries) tries")
    }

    /// False where another program took the port first. sshd writes its pid file once it listens. A failed look tells
    /// nothing, so the wait goes on.
    private func hasBound(_ folder: RunnerFolder, _ pid: pid_t, isWanted: () -> Bool) throws -> Bool {
        let end = ContinuousClock.now + Self.sshdStart
        var unseen: FileReadFailure?
        while ContinuousClock.now < end {
            var hasEnded = false
            do {
                if try readIfThere(folder.sshdPID)?.trimmingLineEnd() == String(pid) { return true }
                hasEnded = try ProcessStatus(of: pid)?.hasEnded ?? true
                unseen = nil
            } catch {
                unseen = error
            }
            if hasEnded {
                let said = try readIfThere(folder.sshdLog) ?? ""
                if said.contains("Address already in use") {
                    try writeFile(folder.sshdLog, "")
                    return false
                }
                throw ProviderError("sshd ended: \(String(said.suffix(500)).trimmingLineEnd())")
            }
            guard isWanted() else { throw ProviderError.notWanted }
            remover.children.collectEnded()
            usleep(1000)
        }
        let hint = unseen.map { ": it could not be looked at: \($0.reason)" } ?? ""
        throw ProviderError("sshd did not listen within \(Self.sshdStart)\(hint)")
    }
}

// MARK: - Unmaking one

extension LocalProvider {
    package func stopEngine(_ runnerID: String, leaving bytes: Int?) throws(ProviderError) -> EngineEnd {
        let folder = RunnerFolder(state: state, runnerID: runnerID)
        return engines.stop(in: folder, leaving: bytes, environment: environment(of: folder, hasMemory: false))
    }

    package func engineEndByItself(_ runnerID: String) -> String? { engines.endByItself(of: runnerID) }

    package func destroy(_ runnerID: String) throws(ProviderError) -> Removal {
        let removal = try remover.destroy(runnerID)
        // Until then the engine may be asked for again.
        if removal == .complete { engines.forget(runnerID) }
        return removal
    }

    package func isAlive(_ runnerID: String) throws(ProviderError) -> Bool { try remover.isAlive(runnerID) }

    package func existing() throws(ProviderError) -> [String] { try remover.existing() }
}
