import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

/// A provider that makes nothing and remembers what it was asked for.
final class BookkeepingProvider: RunnerProvider {
    struct Books {
        var existing: Set<String> = []
        var dead: Set<String> = []
        var destroyed: [String] = []
        var teardownsThatFail = 0
        /// Deletions that go on when a teardown returns, and how they end.
        var deletions: [Result<Removal, ProviderError>] = []
        var isBlind = false
        var looks = 0
        var teardowns = 0
        /// Volumes by their runners.
        var volumes: [String: OrderedVolume] = [:]
        /// Engines that do not come up with what is on their volume.
        var findsDamage = false
        var enginesStopped: [String] = []
        /// How much each of them was to leave.
        var left: [Int?] = []
        var engineEnd = EngineEnd.clean
        var engineEndByItself: String?
        /// What makes its machines does not answer: every call ends so.
        var isGone = false
        var obstacle: SpawnObstacle?
        /// Where its volumes are.
        var volumesBelow: String?
        /// How many machines were begun, and how many of the next ones do not come up.
        var creates = 0
        var createsThatFail = 0
        /// The keys that machines were opened by to be handed over, and those that open them since.
        var handedOver: [(by: String, to: String)] = []
        var handOversFail = false
        /// Regions that are served.
        var regions: Set<String> = []
    }

    let name: String
    let kind: String
    let engine = "none"
    let books = Mutex(Books())
    /// Closed: `create` waits.
    let gate = Monitor(true)
    /// Closed: `handOver` waits.
    let door = Monitor(true)
    /// Closed: `destroy` waits.
    let exit = Monitor(true)
    /// Closed: `stopEngine` waits.
    let stop = Monitor(true)
    let platform: String
    let engineKind: EngineKind? = EngineKind(name: "none 1.0", layout: "files")

    init(name: String = "local", kind: String = "local", platform: String = "linux/amd64") {
        self.name = name
        self.kind = kind
        self.platform = platform
    }

    private func call() throws(ProviderError) {
        if books.withLock(\.isGone) { throw ProviderError("\(name) does not answer") }
    }

    var problem: String? { books.withLock(\.isGone) ? "\(name) does not answer" : nil }

    func refusal(of request: SpawnRequest) -> String? {
        let regions = books.withLock(\.regions)
        if let region = request.region, !regions.contains(region) { return "no region \(region)" }
        if let platform = request.platform, platform != self.platform { return "no \(platform)" }
        return nil
    }

    func obstacle(to request: SpawnRequest) -> SpawnObstacle? {
        problem.map { .unreachable($0) } ?? books.withLock(\.obstacle)
    }

    func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace {
        try call()
        let fails = books.withLock { books in
            books.existing.insert(order.runnerID)
            books.creates += 1
            books.createsThatFail -= 1
            return books.createsThatFail >= 0
        }
        gate.wait(atMost: .seconds(120)) { $0 ? true : nil }
        guard isWanted() else { throw ProviderError("not wanted") }
        if fails || order.request.buildID == "fails" { throw ProviderError("it does not work") }
        let volume =
            books.withLock { $0.findsDamage && order.volume?.isWarm == true }
            ? order.replaceVolume(.engineEnds) : order.volume
        books.withLock { $0.volumes[order.runnerID] = volume }
        return RunnerPlace(
            host: "127.0.0.1", port: 22, user: "u", hostKeys: [], workDir: "/w", buildkitAddress: nil,
            region: books.withLock { $0.regions.min() })
    }

    func handOver(_ place: RunnerPlace, openedBy privateKey: String, to key: SSHPublicKey) throws(ProviderError) {
        try call()
        door.wait(atMost: .seconds(120)) { $0 ? true : nil }
        if books.withLock(\.handOversFail) { throw ProviderError("it is silent") }
        books.withLock { $0.handedOver.append((privateKey, key.line)) }
    }

    func destroy(_ runnerID: String) throws(ProviderError) -> Removal {
        try call()
        books.withLock { $0.teardowns += 1 }
        exit.wait(atMost: .seconds(20)) { $0 ? true : nil }
        let result = books.withLock { books -> Result<Removal, ProviderError> in
            if books.teardownsThatFail > 0 {
                books.teardownsThatFail -= 1
                return .failure(ProviderError("busy"))
            }
            if !books.deletions.isEmpty { return books.deletions.removeFirst() }
            books.existing.remove(runnerID)
            books.destroyed.append(runnerID)
            return .success(.complete)
        }
        return try result.get()
    }

    func isAlive(_ runnerID: String) throws(ProviderError) -> Bool {
        try call()
        let (isBlind, isDead) = books.withLock { books in
            books.looks += 1
            return (books.isBlind, books.dead.contains(runnerID))
        }
        if isBlind { throw ProviderError("no descriptor is left") }
        return !isDead
    }

    func existing() throws(ProviderError) -> [String] {
        try call()
        return books.withLock { $0.existing.sorted() }
    }

    func stopEngine(_ runnerID: String, leaving bytes: Int?) throws(ProviderError) -> EngineEnd {
        books.withLock { books in
            books.left.append(bytes)
            books.enginesStopped.append(runnerID)
        }
        stop.wait(atMost: .seconds(120)) { $0 ? true : nil }
        return books.withLock(\.engineEnd)
    }

    func findVolumes(_ choice: VolumesChoice) throws(ProviderError) -> FoundVolumes? {
        try call()
        guard let folder = books.withLock(\.volumesBelow) else { return nil }
        let log = EventLog(.text) { _ in }
        return try VolumesChoice.exclusive.find(state: folder, path: "", fileBytes: nil, log: log)
    }

    func engineEndByItself(_ runnerID: String) -> String? { books.withLock(\.engineEndByItself) }
}

struct NotCreated: Error {}

/// A fleet on a store of its own, with a clock that stands still until it is moved.
struct FleetFixture {
    let folder: URL
    let provider: BookkeepingProvider
    let providers: Providers
    let time: Monitor<Int>
    /// How far the wall clock is ahead of its time.
    let wallClockAhead = Monitor(0)
    let store: Store
    let roster: Roster
    let clock: BootClock
    let volumes: Volumes
    let fleet: Fleet
    let standby: [String: StandbyConfig]
    let meters = Meters()
    /// The lines of its log.
    let told = Guarded<[String]>([])

    init(
        _ folder: URL, capacity: Int = 4, provider: BookkeepingProvider = BookkeepingProvider(),
        others: [BookkeepingProvider] = [], ofProviders: [String: Int] = [:], standby: [String: StandbyConfig] = [:],
        unswept: Set<Providers.Place> = [], boot: String = "boot-1", patience: Duration = .seconds(40),
        onLeak: @escaping @Sendable (LeakingRunner) -> Void = { _ in }
    ) throws {
        self.standby = standby
        self.folder = folder
        self.provider = provider
        providers = Providers(
            ServedProvider(provider), others.map { ServedProvider($0) }, machine: provider)
        let time = Monitor(1_000_000)
        self.time = time
        let log = EventLog(.text) { [told] line in told.update { $0.append(line) } }
        store = try Store(path: folder.appending(path: "store").path, meters: meters)
        roster = try Roster(store, log: log)
        clock = BootClock(bootID: boot, now: { time.current }) { [wallClockAhead] in
            Timing.system.wallClock() + wallClockAhead.current
        }
        var finders: [Place: Volumes.Finder] = [
            .machine: { try VolumesChoice.exclusive.find(state: folder.path, path: "", fileBytes: nil, log: log) }
        ]
        for other in others where other.kind != "local" {
            finders[.elsewhere(other.name)] = { try other.findVolumes(.auto) }
        }
        volumes = try Volumes(
            store: store, awaiting: finders, limits: Volumes.Limits(each: 1 << 30, all: 1 << 30, days: 10),
            clock: clock, log: log, meters: meters)
        try volumes.open(.machine) { [roster] in roster.standing }
        fleet = Fleet(
            roster: roster, providers: providers, volumes: volumes, clock: clock, log: log,
            allowing: Places(all: capacity, ofProviders: ofProviders, standby: standby), unswept: unswept,
            patience: patience, meters: meters, onLeak: onLeak)
    }

    var routes: Routes {
        Routes(
            fleet: fleet, volumes: volumes, store: store, tokens: Tokens([]), log: EventLog(.text) { _ in },
            meters: meters)
    }

    /// What a start finds after kill -9: the same machine, and the store as it is on disk by now.
    func killedAndStarted(
        capacity: Int = 4, others: [BookkeepingProvider] = [], standby: [String: StandbyConfig] = [:],
        unswept: Set<Providers.Place> = [], boot: String = "boot-1",
        onLeak: @escaping @Sendable (LeakingRunner) -> Void = { _ in }
    ) throws -> FleetFixture {
        let copy = folder.appending(path: "again-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: copy, withIntermediateDirectories: false)
        for name in ["store", "store-wal"] {
            try FileManager.default.copyItem(at: folder.appending(path: name), to: copy.appending(path: name))
        }
        return try FleetFixture(
            copy, capacity: capacity, provider: provider, others: others, standby: standby, unswept: unswept,
            boot: boot, onLeak: onLeak)
    }

    func reconcile(waitsForDeletion: Bool = false) throws -> Bool {
        try reconciliation(waitsForDeletion: waitsForDeletion).run().isClean
    }

    func reconciliation(waitsForDeletion: Bool = false) -> Reconciliation {
        Reconciliation(
            roster: roster, providers: providers, clock: clock, log: EventLog(.text) { _ in }, standby: standby,
            waitsForDeletion: waitsForDeletion)
    }

    func pass(_ seconds: Int) { time.update { $0 += seconds * 1000 } }

    func spawn(
        _ key: String, build: String = "b-1", lease: Int = 60, budget: Int = 10, region: String? = nil,
        volume: VolumeRequest? = nil, provider: String? = nil, by token: Token = .ofAll("secret")
    ) throws -> Fleet.SpawnOutcome {
        var order = fleetOrder(build: build, lease: lease, budget: budget, region: region)
        order.volume = volume
        order.provider = provider
        return try fleet.spawn(order, key: key, by: token)
    }

    /// A ready runner that asks for the volume and is to leave it.
    func readyWithVolume(_ key: String) throws -> RunnerAnswer {
        let name = try #require(VolumeName("ci/acme/app"))
        guard case .created(let runner) = try spawn(key, volume: VolumeRequest(from: [name], to: name)) else {
            throw NotCreated()
        }
        return try #require(try fleet.runner(runner.runnerID, waitingAtMost: .seconds(120)))
    }

    func keep(_ id: String, executed: Int = 1) throws -> KeptVolume? {
        guard case .answered(let kept) = try fleet.keep(id, KeepRequest(outcome: .succeeded, executedMS: executed))
        else { return nil }
        return kept
    }

    func ready(_ key: String, lease: Int = 60, budget: Int = 10, provider: String? = nil) throws -> String {
        guard case .created(let runner) = try spawn(key, lease: lease, budget: budget, provider: provider) else {
            throw NotCreated()
        }
        let ready = try fleet.runner(runner.runnerID, waitingAtMost: .seconds(120))
        #expect(ready?.state == .ready)
        return runner.runnerID
    }
}

func fleetOrder(build: String = "b-1", lease: Int = 60, budget: Int = 10, region: String? = nil) -> SpawnRequest {
    SpawnRequest(
        workspace: "acme", buildID: build, attempt: 1, size: WireSize(tier: "cx22", cpu: 2, memoryMB: 4096),
        timeBudgetMinutes: budget, leaseSeconds: lease,
        sshPublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpzUbH0nuZFfWWFnIMrFSIVwDfmDOiNF1zBzNnOb6kT c",
        region: region)
}

/// One request that was let in by the token.
func ask(
    _ routes: Routes, _ method: String, _ target: String, by token: Token, body: JSONValue? = nil,
    knowing tag: String? = nil
) async -> OutgoingResponse {
    let request = IncomingRequest(
        method: method, target: target, idempotencyKey: "key-of-the-test", ifNoneMatch: tag,
        body: body?.encodedBytes() ?? [])
    switch routes.answer(request, by: token) {
    case .now(let response): return response
    case .later(let start): return await withCheckedContinuation { done in start { done.resume(returning: $0) } }
    }
}

/// Gives a fleet for the length of the body.
func withFleet(
    capacity: Int = 4, patience: Duration = .seconds(40), _ body: (FleetFixture) async throws -> Void
) async throws {
    try await withTemporaryFolder { try await body(try FleetFixture($0, capacity: capacity, patience: patience)) }
}
