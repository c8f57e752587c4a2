import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport

@testable import LianOrchestrator

/// Local runners without a fleet, on whatever volumes a test lends them.
struct LocalRunners: Sendable {
    /// A folder of the test's own.
    let folder: URL
    let caller: Caller
    let provider: LocalProvider
    /// Runners of tests that run at the same time must differ in their ids: by these processes and groups are found.
    private let tag = String(UUID().uuidString.lowercased().prefix(6))

    var state: String { folder.appending(path: "s").path }

    /// A provider as it is after the orchestrator was started again.
    func providerOfAnotherStart() async throws -> LocalProvider {
        try await LocalRunners(in: folder, caller: caller, engine: .dockerd, path: nil).provider
    }

    fileprivate init(in folder: URL, caller: Caller, engine: EngineChoice, path: String?) async throws {
        self.folder = folder
        self.caller = caller
        let state = folder.appending(path: "s").path
        var environment = ProcessInfo.processInfo.environment
        if let path { environment["PATH"] = "\(path):\(environment["PATH"] ?? "")" }
        let given = environment
        provider = try await onOwnThread {
            Result {
                try LocalProvider(
                    state: state, engine: engine, environment: given,
                    remover: LocalRemover(state: state, bootID: BootClock.currentBootID()),
                    // A busy machine is no damaged volume.
                    engineStart: .seconds(120),
                    log: EventLog(.text) { _ in })
            }
        }.get()
    }

    func id(_ name: String) -> String { "r-\(tag)\(name)" }

    /// An empty volume.
    func makeVolume(_ name: String) throws -> String {
        let volume = folder.appending(path: name).path
        for part in ["engine", "contexts"] { try makeFolder("\(volume)/\(part)") }
        return volume
    }

    func create(
        _ name: String, on volume: OrderedVolume?,
        replacing: @escaping @Sendable (VolumeObstacle) -> OrderedVolume? = { _ in nil }
    ) async throws -> ReadyRunner {
        guard let key = SSHPublicKey(callersLine: caller.publicKey) else { throw FixtureError("no key") }
        let order = RunnerOrder(
            runnerID: id(name), request: caller.order(), key: key, volume: volume,
            replaceVolume: replacing)
        let place = try await onOwnThread { [provider] in
            Result { try provider.create(order) { true } }
        }.get()
        var answer = RunnerAnswer(runnerID: id(name), state: .ready, workspace: "acme")
        answer.host = place.host
        answer.port = place.port
        answer.user = place.user
        answer.hostKeys = place.hostKeys
        answer.workDir = place.workDir
        return try ReadyRunner(answer)
    }

    func stopEngine(_ name: String, leaving bytes: Int? = nil) async throws -> EngineEnd {
        try await onOwnThread { [provider, id = id(name)] in Result { try provider.stopEngine(id, leaving: bytes) } }
            .get()
    }

    func destroy(_ name: String) async throws { try await destroy(id: id(name)) }

    fileprivate func destroy(id: String) async throws {
        let isGone = try await eventually {
            try await onOwnThread { [provider] in Result { try provider.destroy(id) } }.get() == .complete
        }
        guard isGone else { throw FixtureError("\(id) is not gone") }
    }

    /// The runner's engine, as it recorded itself.
    func enginePID(_ name: String) throws -> pid_t {
        let record = RunnerFolder(state: state, runnerID: id(name)).record(of: .engine)
        guard let identity = try ProcessRecord.read(record)?.identity else { throw FixtureError("no \(record)") }
        return identity.pid
    }

    /// Waits until the orchestrator knows how its child ended: the kernel may first have other threads of it to end.
    func isCollected(_ pid: pid_t) async -> Bool {
        await eventually {
            _ = try? provider.isAlive(id(""))
            return kill(pid, 0) != 0
        }
    }
}

/// Gives local runners for the length of the body, and removes those that are left. `path` is searched for the engine
/// first.
func withLocalRunners(
    engine: EngineChoice = .dockerd, path: (URL) throws -> String? = { _ in nil },
    _ body: (LocalRunners) async throws -> Void
) async throws {
    try await withShortTemporaryFolder { folder in
        let runners = try await LocalRunners(
            in: folder, caller: Caller(in: folder), engine: engine, path: try path(folder))
        let result: Result<Void, any Error>
        do { result = .success(try await body(runners)) } catch { result = .failure(error) }
        for id in try runners.provider.existing() { try await runners.destroy(id: id) }
        try result.get()
    }
}
