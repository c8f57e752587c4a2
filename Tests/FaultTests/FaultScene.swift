import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

/// One case: a caller with every kind of secret, an orchestrator to order, and where a runner is wanted, one. After the
/// body nothing may be left behind, and nothing told that should not be.
final class FaultScene: Sendable {
    let folder: URL
    let workspace = "f\(UUID().uuidString.prefix(8).lowercased())"
    let secrets: PlantedSecrets
    let orchestrator: ScriptedOrchestrator
    private let stage: Stage
    private let runner: ScriptedRunner?
    private let watched: ProcessWatch.Subject
    private let begun = ContinuousClock.now
    private let state = Mutex(State())

    /// What a case may change of what is looked at after it.
    struct Allowance: Sendable {
        /// How long each build may take before it counts as one that hangs. Generous: the machine may be busy with other
        /// things. A case that is about a wait holds the envelope's own times against its bound.
        var wallTime: Duration = .seconds(300)
        /// How long what is on its way out gets to be gone.
        var settling: Duration = .seconds(120)
        /// Runners that nobody could destroy: their lease ends them.
        var leftToTheirLease = 0
        /// The connection was lost for good, so what ran there ends with its machine.
        var endsWithItsMachine = false
        /// The caller was killed: it prints nothing and clears nothing away.
        var callerIsKilled = false
    }

    private struct State {
        var allowance = Allowance()
        var builds: [RunningBuild] = []
        var finished: [FinishedBuild] = []
    }

    fileprivate init(
        _ stage: Stage, folder: URL, secrets: PlantedSecrets, orchestrator: ScriptedOrchestrator,
        runner: ScriptedRunner?
    ) throws {
        self.stage = stage
        self.folder = folder
        self.secrets = secrets
        self.orchestrator = orchestrator
        self.runner = runner
        watched = stage.watch.add(secrets)
        for name in ["home", "tmp", "docker"] {
            try FileManager.default.createDirectory(at: folder.appending(path: name), withIntermediateDirectories: true)
        }
        let login = Data("\(PlantedSecrets.registryUser):\(secrets.registryPassword)".utf8).base64EncodedString()
        let docker: JSONValue = ["auths": ["127.0.0.1:1": ["auth": .string(login)]]]
        try writeFile(folder.appending(path: "docker/config.json").path, docker.encoded())
    }

    var events: NATSSubscriber { stage.events }
    var watch: ProcessWatch { stage.watch }
    var natsURL: String { stage.nats.url }
    var keyFile: String { folder.appending(path: "key").path }
    var image: String { "127.0.0.1:1/\(workspace)/app:1" }
    private var temporaryFiles: String { folder.appending(path: "tmp").path }

    /// Says what may be different after this case.
    func allow(_ change: (inout Allowance) -> Void) { state.withLock { change(&$0.allowance) } }

    /// A context of these files beside a Dockerfile.
    func context(
        _ files: [String: String] = [:], dockerfile: String = "FROM scratch\nCOPY . /\n", named name: String = "context"
    ) throws -> String {
        let context = folder.appending(path: name)
        try FileManager.default.createDirectory(at: context, withIntermediateDirectories: true)
        for (name, text) in files.merging(["Dockerfile": dockerfile], uniquingKeysWith: { $1 }) {
            try text.write(to: context.appending(path: name), atomically: true, encoding: .utf8)
        }
        return context.path
    }

    /// Eight megabytes that nothing makes smaller on their way.
    func makeNoise(in context: String) throws {
        let source = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
        try #require(try source.read(upToCount: 8 << 20)).write(to: URL(filePath: context).appending(path: "noise"))
    }

    func environment(_ more: [String: String?] = [:]) -> [String: String] {
        let own: [String: String?] = [
            "PATH": "\(Project.tools.path):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")",
            "HOME": folder.appending(path: "home").path, "TMPDIR": temporaryFiles,
            "ORCHESTRATOR_URL": orchestrator.url, "ORCHESTRATOR_TOKEN": secrets.orchestratorToken,
            "NATS_URL": natsURL, "NATS_NKEY_SEED": secrets.nkeySeed, "BUILDKIT_SSH_KEY": keyFile,
            "SSH_KEY_PASSPHRASE": secrets.passphrase, "DOCKER_CONFIG": folder.appending(path: "docker").path,
            "PLANTED": secrets.buildSecret,
        ]
        return own.merging(more) { $1 }.compactMapValues { $0 }
    }

    /// `lian-build build` of a context with a secret and further flags; nil takes a variable out of the environment.
    func start(
        context: String? = nil, _ more: [String] = [], environment: [String: String?] = [:],
        on terminal: PseudoTerminal? = nil
    ) throws -> RunningBuild {
        let flags = [
            "build", "--workspace", workspace, "--context", try context ?? self.context(), "--image", image,
            "--secret", "id=planted,env=PLANTED",
        ]
        return try start(
            Command(
                Project.executable("lian-build"), flags + more, environment: self.environment(environment),
                workingDirectory: folder.path), on: terminal)
    }

    /// Any command line, where the usual one will not do.
    func start(_ command: Command, on terminal: PseudoTerminal? = nil) throws -> RunningBuild {
        let build = try RunningBuild(command, folder: folder, terminal: terminal) { _ in }
        state.withLock { $0.builds.append(build) }
        watched.add(build: build.pid)
        return build
    }

    /// The same to its end.
    func build(
        context: String? = nil, _ more: [String] = [], environment: [String: String?] = [:]
    ) async throws -> FinishedBuild {
        try await finish(try start(context: context, more, environment: environment))
    }

    /// Waits for its end, and holds its envelope against the schema and its time against the bound.
    func finish(_ running: RunningBuild) async throws -> FinishedBuild {
        let build = try await running.finished(within: state.withLock(\.allowance.wallTime) + .seconds(60))
        state.withLock { $0.finished.append(build) }
        return build
    }

    /// What takes no longer than that on a calm machine takes no longer than this here.
    func allowing(_ time: Duration) -> Duration { stage.allowing(time, since: begun) }

    /// What was published of this workspace's builds, in order.
    func published() async throws -> [NATSSubscriber.Message] {
        try await stage.events.settle()
        return stage.events.messages("lian.\(workspace).")
    }

    /// The most memory that a build was seen to hold, in bytes.
    var peakMemory: Int { watched.peakMemory }

    /// The first build, as soon as it is started. For threads that may block.
    func awaitBuild() -> RunningBuild {
        while true {
            if let build = state.withLock({ $0.builds.first }) { return build }
            usleep(1000)
        }
    }

    fileprivate func endWatch() { stage.watch.remove(watched) }

    /// Ends what a failed case has left running.
    fileprivate func endBuilds() {
        for build in state.withLock({ $0.builds }) { build.kill() }
    }

    fileprivate func checkThatAllIsInOrder() async throws {
        let (allowance, builds, finished) = state.withLock { ($0.allowance, $0.builds, $0.finished) }
        #expect(builds.allSatisfy { !$0.isRunning }, "a build still runs")
        #expect(finished.count == builds.count || allowance.callerIsKilled, "a build's end was not looked at")

        let live = orchestrator.liveRunners
        #expect(live.count == allowance.leftToTheirLease, "\(live)")
        // Their own: nothing of this caller's folder is in the arguments or the environment of a process.
        let orphans = await settled { processes(holding: folder.path) + processes(holding: folder.path, in: "environ") }
        #expect(orphans.isEmpty, "\(orphans.map(commandLine))")
        if allowance.endsWithItsMachine { runner?.switchOff() }
        let remains = await settled { runner?.remains() ?? [] }
        #expect(remains.isEmpty)
        let temporary = try FileManager.default.contentsOfDirectory(atPath: temporaryFiles)
        if !allowance.callerIsKilled { #expect(temporary == []) }
        let home = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "home").path)
        #expect(home == [])

        #expect(watched.shown.isEmpty)
        // The outputs of the builds are files of this folder too.
        #expect(secrets.found(below: folder.path, besides: ["docker/config.json"]).isEmpty)
        if let runner { #expect(secrets.found(below: runner.workDir).isEmpty) }
        for event in try await published() {
            let headers = event.headers.map { "\($0.key): \($0.value)\n" }.joined()
            #expect(secrets.found(in: Data("\(event.subject)\n\(headers)".utf8) + event.body).isEmpty)
        }

        for build in finished {
            #expect(build.duration < allowance.wallTime, "\(build.story)")
        }
        guard !finished.isEmpty else { return }
        let printed = JSONValue.array(finished.map(\.envelope))
        try writeFile(folder.appending(path: "envelopes.json").path, printed.encoded())
        let answer = try await nickelExport(
            "(import \"envelopes.json\") | Array (import \"build_result.ncl\").BuildResult", named: "envelopes.ncl",
            in: folder)
        #expect(answer.value != nil, "\(answer.diagnostic)")
    }

    /// What is there once nothing goes any more.
    private func settled<Item>(_ look: () -> [Item]) async -> [Item] {
        var found: [Item] = []
        _ = await eventually(within: state.withLock(\.allowance.settling)) {
            found = look()
            return found.isEmpty
        }
        return found
    }
}

/// A case without a runner: nobody listens at the port that the orchestrator gives out, unless it is named. A case that
/// mostly waits does so beside all others.
func withScene(
    port: Int? = nil, waiting: Bool = false, _ body: @Sendable (FaultScene) async throws -> Void
) async throws {
    try await takingTurns(waiting) { stage in
        let machine = ScriptedOrchestrator.Machine(
            port: try port ?? refusingPort(), user: "root", hostKeys: [someHostKey], workDir: "/nonexistent")
        try await perform(stage, machine: machine, runner: nil, body)
    }
}

/// A case with a runner, reached through a proxy that can fail, and that holds up to `queue` bytes. It knows the
/// caller's key, unless it is to refuse it.
func withRunner(
    _ options: SSHServerOptions = SSHServerOptions(), programs: [String]? = nil, refusesKeys: Bool = false,
    waiting: Bool = false, queue: Int = FaultProxy.wideQueue,
    _ body: @Sendable (FaultScene, ScriptedRunner, FaultProxy) async throws -> Void
) async throws {
    try await takingTurns(waiting) { stage in
        try await withScriptedRunner(options, programs: programs) { runner in
            let proxy = try FaultProxy(to: runner.server.port, queue: queue)
            try await perform(
                stage, machine: runner.machine(port: proxy.port), runner: runner, refusesKeys: refusesKeys
            ) { scene in
                try await body(scene, runner, proxy)
            }
        }
    }
}

/// A runner whose kernel counts for its own group: cases with a real engine have it kill for memory beside this one.
let countsItsOwnKills = SSHServerOptions(environment: ["LIAN_CGROUP": "/sys/fs/cgroup/memory/."])

/// A key that nobody has the private half of.
let someHostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

/// The stage, as soon as it is this case's turn; one that mostly waits needs none.
func takingTurns(_ isWaiting: Bool, _ body: @Sendable (Stage) async throws -> Void) async throws {
    let stage = try #require(Stage.current)
    if isWaiting {
        try await body(stage)
    } else {
        try await stage.turnstile.through { try await body(stage) }
    }
}

/// For the table of scripts/faults: the runner's own times hold the wait for a free place too.
func tellTime(since start: ContinuousClock.Instant) {
    print("took \((ContinuousClock.now - start).milliseconds) ms: \(Test.current?.displayName ?? "")")
}

private func perform(
    _ stage: Stage, machine: ScriptedOrchestrator.Machine, runner: ScriptedRunner?, refusesKeys: Bool = false,
    _ body: @Sendable (FaultScene) async throws -> Void
) async throws {
    try await withShortTemporaryFolder { folder in
        let secrets = PlantedSecrets()
        // One round of bcrypt: the key's strength is not what is tested.
        try await makeSSHKey(
            folder.appending(path: "key").path, ["-t", "ed25519", "-a", "1"], passphrase: secrets.passphrase)
        let orchestrator = try ScriptedOrchestrator(token: secrets.orchestratorToken, machine: machine) { spawned in
            if let key = spawned.publicKey, !refusesKeys { try runner?.server.authorize(key) }
        }
        defer { orchestrator.stop() }
        let start = ContinuousClock.now
        let scene = try FaultScene(
            stage, folder: folder, secrets: secrets, orchestrator: orchestrator, runner: runner)
        defer { scene.endWatch() }
        do {
            try await body(scene)
            try await scene.checkThatAllIsInOrder()
            tellTime(since: start)
        } catch {
            scene.endBuilds()
            throw error
        }
    }
}
