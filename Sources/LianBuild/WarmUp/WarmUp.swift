import LianBuildKit
import LianChannel
import LianModel
import LianRemote
import LianSystem
import Synchronization

/// While the context is on its way, the runner's engine fetches what the builds will want. Nobody waits for the warm-up
/// and nobody hears of it: what it cannot fetch, the build asks for itself, and reports. A build that finds an image
/// half fetched goes on with what is there, so the warm-up ends with the build and not before.
final class WarmUp: Sendable {
    private let artifacts: [ArtifactRequest]
    private let registry: RegistryRequest
    private let secrets: BuildSecrets
    private let patience: Duration
    private let timing: Timing
    private let state = Mutex(State())

    private struct State {
        var work: Task<Void, Never>?
        var hasBegun = false
        var isEnded = false
    }

    /// How many channels may be open: an SSH server allows ten at once by default, and one is for the samples of usage.
    private static let channels = 9

    /// How long the warm-up waits before it begins: a context that arrives sooner leaves nothing to gain. A large context
    /// never does.
    static func patience(forContextOf bytes: Int) -> Duration {
        bytes < 32 << 20 ? .milliseconds(200) : .zero
    }

    init(
        _ artifacts: [ArtifactRequest], contextBytes: Int, registry: RegistryRequest, secrets: BuildSecrets,
        timing: Timing
    ) {
        self.artifacts = artifacts
        self.registry = registry
        self.secrets = secrets
        patience = Self.patience(forContextOf: contextBytes)
        self.timing = timing
    }

    /// To be called after the build has begun what it needs first, among it `transfers` of its context. Returns at
    /// once; the task is over when nothing is left to fetch.
    @discardableResult
    func begin(on host: any RemoteHost, of runner: ReadyRunner, besides transfers: Int) -> Task<Void, Never>? {
        state.withLock { state in
            guard !state.isEnded else { return nil }
            state.work = Task { await fetch(on: host, of: runner, besides: transfers) }
            return state.work
        }
    }

    private func fetch(on host: any RemoteHost, of runner: ReadyRunner, besides transfers: Int) async {
        guard (try? await timing.sleep(patience)) != nil, isToBegin() else { return }
        let solves = Self.solves(for: artifacts)
        let runs = artifacts.count + artifacts.count { !$0.agents.isEmpty }
        // Beside the transfers the engine is asked what it is, and the first build's shell waits.
        guard solves.count + max(runs, transfers + 1) <= Self.channels else { return }
        await withTaskGroup { group in
            for (index, solve) in solves.enumerated() {
                let request = request(solve, runner, folder: "\(runner.workDir)/warm-up-\(index)")
                group.addTask { await self.run(request, on: host) }
            }
        }
    }

    private func isToBegin() -> Bool {
        state.withLock { state in
            state.hasBegun = !state.isEnded
            return state.hasBegun
        }
    }

    /// A warm-up that has not begun by now is dropped: the build fetches for itself. Returns at once.
    func contextIsThere() {
        if !state.withLock(\.hasBegun) { end() }
    }

    /// Ends the warm-up where it still goes on. Returns at once.
    func end() {
        let task = state.withLock { state in
            state.isEnded = true
            return state.work
        }
        task?.cancel()
    }

    private func request(_ solve: Solve, _ runner: ReadyRunner, folder: String) -> RunRequest {
        let source = BuildctlCommand.folderOfGivenDockerfile(run: folder)
        let dockerfile = BuildctlCommand.givenDockerfile
        let arguments = BuildctlCommand.beginning(
            address: runner.buildkitAddress, progress: .plain,
            source: ["--local", "context=\(source)", "--local", "dockerfile=\(source)"], dockerfile: dockerfile,
            target: nil, platforms: solve.platforms)
        var request = RunRequest(
            folder: folder,
            arguments: ["buildctl"] + arguments + BuildctlCommand.cacheImports(solve.caches, registry),
            environment: secrets.environment(run: folder),
            secrets: secrets.logins + [SecretFile(name: dockerfile, bytes: Array(solve.dockerfile.utf8))])
        // Nobody attaches to this run again.
        request.grace = .seconds(1)
        return request
    }

    private func run(_ request: RunRequest, on host: any RemoteHost) async {
        let remote = RemoteRun(request, timing: timing)
        do {
            try await remote.connect(to: host)
            while true {
                if case .ended = try await remote.next() { break }
            }
            try await remote.remove()
        } catch {
            // Cancelled, or failed at something that the build will find itself. Where the connection is closed before
            // the cancel is sent, the run ends by its grace.
            Task {
                try? await remote.cancel()
                await remote.disconnect()
            }
        }
    }

    /// One build on the runner, whose result nobody takes.
    struct Solve: Equatable {
        /// The platforms for which the images are fetched; where empty, the engine's own.
        var platforms: [String] = []
        var images: [String] = []
        var caches: [CacheStore] = []

        /// An engine fetches a layer when a step looks into it: the steps here look for files that are not there. They
        /// copy from the images, since naming an image in FROM would run its ONBUILD steps. A cache is read for any
        /// step.
        var dockerfile: String {
            let steps = images.map { "COPY --from=\($0) /.lian-warm-up* /\n" }
            return "FROM scratch\n" + (caches.isEmpty ? steps.joined() : "WORKDIR /.lian-warm-up\n")
        }
    }

    /// One solve for the images of each platform. The caches have one of their own, since an engine reads them before
    /// it fetches any layer.
    static func solves(for artifacts: [ArtifactRequest]) -> [Solve] {
        // Images that the artifacts themselves become are not there yet.
        let made = Set(artifacts.flatMap(\.names).map(\.description))
        var solves: [Solve] = []
        for artifact in artifacts {
            guard let images = artifact.dockerfileImages else { continue }
            for image in images.needed(for: artifact.target) where !made.contains(image.reference) {
                let platforms: [String] =
                    switch image.platform {
                    case .target: artifact.platforms
                    case .builder: []
                    case .named(let platform): [platform]
                    }
                let index = solves.firstIndex { $0.platforms == platforms } ?? solves.count
                if index == solves.count { solves.append(Solve(platforms: platforms)) }
                if !solves[index].images.contains(image.reference) { solves[index].images.append(image.reference) }
            }
        }
        let caches = cachesElsewhere(artifacts, than: Set(solves.flatMap(\.images).map(registryHost)))
        return caches.isEmpty ? solves : solves + [Solve(caches: caches)]
    }

    /// One cache for each registry that no image comes from. Engines read a cache anew for each build: all that stays
    /// of it is the open connection to its registry.
    private static func cachesElsewhere(_ artifacts: [ArtifactRequest], than hosts: Set<String>) -> [CacheStore] {
        var hosts = hosts
        return artifacts.flatMap(\.cacheFrom).filter { store in
            store.reference.map { hosts.insert(BuildctlCommand.cacheHost($0)).inserted } ?? false
        }
    }
}
