import LianModel
import LianRemote
import LianSSH
import LianSystem
import Synchronization

/// The runner of a trial, used as a build uses one.
final class SpawnedRunner: Sendable {
    private let fleet: Fleet
    private let id = Mutex<String?>(nil)

    /// A machine of a cloud may take minutes until it has booted.
    private static let readyLimit: Duration = .seconds(600)
    private static let connectLimit: Duration = .seconds(60)
    private static let buildLimit: Duration = .seconds(300)
    private static let tries = 3

    init(_ fleet: Fleet) { self.fleet = fleet }

    func use(by steps: TrialSteps) async throws(TrialStopped) {
        let access = Access()
        try await steps.step("spawn") { try await spawn(access) }
        try await steps.step("ssh") { try await connect(access) }
        let result: Result<Void, TrialStopped>
        do throws(TrialStopped) {
            try await steps.step("tools") { try await probe(access) }
            try await steps.step("build") { try await build(access) }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await access.connection.value?.disconnect(within: .seconds(1))
        try result.get()
    }

    /// What one step finds out and the next one needs.
    private final class Access: Sendable {
        let key = Guarded<SSHKey?>(nil)
        let runner = Guarded<ReadyRunner?>(nil)
        let connection = Guarded<SSHConnection?>(nil)
    }

    private func spawn(_ access: Access) async throws -> String {
        let key = try SSHKey.ephemeral()
        access.key.set(key)
        let outcome = try await onOwnThread { [self] _ in
            let outcome = try fleet.spawn(.trial(key: key.publicKeyLine), key: "trial-\(Token.newSecret())", by: .trial)
            if case .created(let runner) = outcome { id.withLock { $0 = runner.runnerID } }
            return outcome
        }
        guard case .created(let spawned) = outcome else { throw ProviderError(outcome.words) }
        let answer = try await onOwnThread { [self] isGivenUp in
            let end = ContinuousClock.now + Self.readyLimit
            while let runner = try fleet.runner(spawned.runnerID, waitingAtMost: .seconds(1)) {
                if runner.state != .pending { return runner }
                if isGivenUp() { throw CancellationError() }
                guard ContinuousClock.now < end else { break }
            }
            throw ProviderError("no runner is ready within \(Self.readyLimit)")
        }
        guard answer.state == .ready else { throw ProviderError("the runner failed: \(answer.reason ?? "no reason")") }
        try answer.checkArrival()
        let runner = try ReadyRunner(answer)
        access.runner.set(runner)
        return "\(runner.id) at \(runner.host), port \(runner.port)"
    }

    private func connect(_ access: Access) async throws -> String {
        guard let runner = access.runner.value, let key = access.key.value else { throw TrialStopped() }
        let connection = try await SSHConnection.connect(
            to: SSHEndpoint(host: runner.host, port: runner.port, user: runner.user), key: key,
            hostKeys: .pinned(runner.hostKeys), deadline: .now + Self.connectLimit)
        access.connection.set(connection)
        return "as \(runner.user), by the host key that was made for it"
    }

    private func probe(_ access: Access) async throws -> String {
        guard let connection = access.connection.value else { throw TrialStopped() }
        let tools = try await RunnerTools.probe(connection)
        guard let rsync = tools.rsync else { throw RemoteFailure.rsyncMissing }
        guard let buildctl = tools.buildctl else { throw RemoteFailure.commandMissing("buildctl") }
        return "\(buildctl); \(rsync)"
    }

    /// Through the wrapper, as each build is run. Docker keeps what it has built: that is removed again.
    private func build(_ access: Access) async throws -> String {
        guard let runner = access.runner.value, let connection = access.connection.value else { throw TrialStopped() }
        let folder = "\(runner.workDir)/try"
        let script = """
            mkdir context && cd context || exit
            printf 'FROM scratch\\nCOPY Dockerfile /%s\\n' "$1" >Dockerfile
            buildctl build --frontend dockerfile.v0 --local context=. --local dockerfile=. --progress plain \
            --metadata-file ../metadata || exit
            image=$(sed -n 's/.*"containerimage.config.digest": *"\\([^"]*\\)".*/\\1/p' ../metadata)
            [ -z "$image" ] || docker image rm "$image" >/dev/null
            """
        let request = RunRequest(
            folder: folder, arguments: ["sh", "-c", script, "try", Token.newSecret()])
        let run = RemoteRun(request)
        let lines = Guarded<[UInt8]>([])
        let ended = try await withinLimit(Self.buildLimit) {
            try await run.connect(to: connection)
            let end = try await run.follow(
                patience: .zero, reconnect: { connection },
                log: { bytes in lines.update { $0 = Array(($0 + bytes).suffix(8192)) } })
            if end.isSuccess { try await run.remove() }
            return end
        }
        let said = String(decoding: lines.value, as: UTF8.self).split(separator: "\n").suffix(8).map(String.init)
        guard let ended, ended.isSuccess else {
            throw LianError(
                .buildFailed, .build,
                ended.map { "the build ended with status \($0.exitStatus)" }
                    ?? "the build did not end within \(Self.buildLimit)",
                hint: "What the engine said last stands above; see that the runners have an engine that works.",
                logTail: said)
        }
        return "FROM scratch"
    }

    /// True where nothing is left of it, or there never was anything. Nothing that ends the trial ends this.
    func destroy(tellingTo steps: TrialSteps) async -> Bool {
        guard let id = id.withLock({ $0 }) else { return true }
        let outcome = Task {
            try await steps.step("destroy") {
                for _ in 1..<Self.tries where try await destroyOnce(id) == nil { return "nothing is left" }
                if let problem = try await destroyOnce(id) { throw ProviderError(problem) }
                return "nothing is left"
            }
        }
        if case .success = await outcome.result { return true }
        return false
    }

    /// Why something is left.
    private func destroyOnce(_ id: String) async throws -> String? {
        try await onOwnThread { [fleet] _ in
            if case .failed(let reason) = try fleet.destroy(id, reason: "the trial is over") { reason } else { nil }
        }
    }
}

extension SpawnRequest {
    /// The least that a build would ask for.
    static func trial(key: String) -> SpawnRequest {
        SpawnRequest(
            workspace: "try", buildID: "b-try", attempt: 1, size: WireSize(tier: nil, cpu: 1, memoryMB: 1024),
            timeBudgetMinutes: 30, leaseSeconds: 3600, sshPublicKey: key)
    }
}

extension Token {
    fileprivate static var trial: Token { .ofAll(newSecret()) }
}

extension Fleet.SpawnOutcome {
    fileprivate var words: String {
        switch self {
        case .created, .known, .keyIsTaken: "another runner is in the way"
        case .unservable(let reason): reason
        case .hindered(let obstacle): obstacle.reason
        case .refused: "a runner of an earlier trial is still there"
        case .stopping: "it is being ended"
        }
    }
}
