import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

/// A provider that makes nothing and remembers what it was asked for.
private final class BookkeepingProvider: RunnerProvider {
    struct Books {
        var existing: Set<String> = []
        var dead: Set<String> = []
        var destroyed: [String] = []
        var teardownsThatFail = 0
    }

    let name = "local"
    let engine = "none"
    let books = Mutex(Books())
    /// Closed: `create` waits.
    let gate = Monitor(true)

    func refusal(of request: SpawnRequest) -> String? { request.region.map { "no region \($0)" } }

    func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace {
        _ = books.withLock { $0.existing.insert(order.runnerID) }
        gate.wait(atMost: .seconds(120)) { $0 ? true : nil }
        guard isWanted() else { throw ProviderError("not wanted") }
        if order.request.buildID == "fails" { throw ProviderError("it does not work") }
        return RunnerPlace(
            host: "127.0.0.1", port: 22, user: "u", hostKeys: [], workDir: "/w", buildkitAddress: nil)
    }

    func destroy(_ runnerID: String) throws(ProviderError) {
        let fails = books.withLock { books in
            if books.teardownsThatFail > 0 {
                books.teardownsThatFail -= 1
                return true
            }
            books.existing.remove(runnerID)
            books.destroyed.append(runnerID)
            return false
        }
        if fails { throw ProviderError("busy") }
    }

    func isAlive(_ runnerID: String) -> Bool { books.withLock { !$0.dead.contains(runnerID) } }

    func existing() throws(ProviderError) -> [String] { books.withLock { $0.existing.sorted() } }
}

private struct NotCreated: Error {}

/// A fleet on a store of its own, with a clock that stands still until it is moved.
private struct Fixture {
    let provider: BookkeepingProvider
    let time: Monitor<Int>
    let storePath: String
    let store: Store
    let clock: BootClock
    let fleet: Fleet

    init(
        _ folder: URL, capacity: Int = 4, provider: BookkeepingProvider = BookkeepingProvider(), boot: String = "boot-1"
    ) throws {
        self.provider = provider
        let time = Monitor(1_000_000)
        self.time = time
        storePath = folder.appending(path: "store").path
        store = try Store(path: storePath)
        clock = BootClock(bootID: boot) { time.current }
        fleet = Fleet(
            store: store, provider: provider, clock: clock,
            log: EventLog(.text) { _ in }, capacity: capacity)
    }

    func reconcile() throws {
        let reconciliation = Reconciliation(
            store: store, remover: provider, clock: clock, log: EventLog(.text) { _ in })
        let isClean = try reconciliation.run()
        #expect(isClean)
    }

    func pass(_ seconds: Int) { time.update { $0 += seconds * 1000 } }

    func spawn(_ key: String, build: String = "b-1", lease: Int = 60, budget: Int = 10, region: String? = nil) throws
        -> Fleet.SpawnOutcome
    {
        try fleet.spawn(order(build: build, lease: lease, budget: budget, region: region), key: key)
    }

    func ready(_ key: String, lease: Int = 60, budget: Int = 10) throws -> String {
        guard case .created(let runner) = try spawn(key, lease: lease, budget: budget) else {
            throw NotCreated()
        }
        let ready = try fleet.runner(runner.runnerID, waitingAtMost: .seconds(120))
        #expect(ready?.state == .ready)
        return runner.runnerID
    }
}

private func order(build: String = "b-1", lease: Int = 60, budget: Int = 10, region: String? = nil) -> SpawnRequest {
    SpawnRequest(
        workspace: "acme", buildID: build, attempt: 1, size: WireSize(tier: "cx22", cpu: 2, memoryMB: 4096),
        timeBudgetMinutes: budget, leaseSeconds: lease,
        sshPublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpzUbH0nuZFfWWFnIMrFSIVwDfmDOiNF1zBzNnOb6kT c",
        region: region)
}

@Suite struct FleetTests {
    private func withFleet(capacity: Int = 4, _ body: (Fixture) async throws -> Void) async throws {
        try await withTemporaryFolder { try await body(try Fixture($0, capacity: capacity)) }
    }

    @Test func aKeySpawnsOneRunner() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1")
            guard case .known(let again) = try fixture.spawn("key-1") else {
                Issue.record("another runner")
                return
            }
            #expect(again.runnerID == id)
            guard case .keyIsTaken = try fixture.spawn("key-1", build: "b-2") else {
                Issue.record("the same key, another body")
                return
            }
            #expect(try fixture.fleet.runners(of: nil).map(\.runnerID) == [id])
        }
    }

    @Test func aKeyOutlivesTheProcessAndTheRunner() async throws {
        try await withTemporaryFolder { folder in
            let first = try Fixture(folder)
            let id = try first.ready("key-1")
            let second = try Fixture(folder, provider: first.provider)
            try second.reconcile()
            guard case .known(let kept) = try second.spawn("key-1") else {
                Issue.record("a second runner")
                return
            }
            #expect(kept.runnerID == id)
            #expect(kept.state == .ready)
            _ = try second.fleet.destroy(id, reason: "test")
            guard case .known(let gone) = try second.spawn("key-1") else {
                Issue.record("a second runner")
                return
            }
            #expect(gone.state == .gone)
            #expect(gone.reason == "test")
        }
    }

    @Test func capacityIsKept() async throws {
        try await withFleet(capacity: 2) { fixture in
            let id = try fixture.ready("key-1")
            _ = try fixture.ready("key-2")
            guard case .full = try fixture.spawn("key-3") else {
                Issue.record("a third runner")
                return
            }
            // One that is there already costs nothing.
            guard case .known = try fixture.spawn("key-1") else {
                Issue.record("a known key was refused")
                return
            }
            _ = try fixture.fleet.destroy(id, reason: "test")
            _ = try fixture.ready("key-3")
        }
    }

    @Test func whatCannotBeServedIsSaid() async throws {
        try await withFleet { fixture in
            guard case .unservable("no region mars") = try fixture.spawn("key-1", region: "mars") else {
                Issue.record("served")
                return
            }
            #expect(try fixture.fleet.runners(of: nil).isEmpty)
        }
    }

    @Test func aLeaseRunsOutUnlessRenewed() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1", lease: 60)
            fixture.pass(59)
            try fixture.fleet.reap()
            guard case .renewed = try fixture.fleet.heartbeat(id) else {
                Issue.record("not renewed in time")
                return
            }
            fixture.pass(59)
            try fixture.fleet.reap()
            #expect(try fixture.fleet.runner(id)?.state == .ready)
            fixture.pass(1)
            guard case .gone("its lease has run out") = try fixture.fleet.heartbeat(id) else {
                Issue.record("renewed too late")
                return
            }
            try fixture.fleet.reap()
            #expect(await eventually { fixture.provider.books.withLock { $0.destroyed == [id] } })
            #expect(try fixture.fleet.runner(id) == nil)
        }
    }

    @Test func noHeartbeatOutlivesTheLifetime() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1", lease: 3600, budget: 1)
            fixture.pass(16 * 60 - 1)
            let before = Timing.system.wallClock()
            guard case .renewed(let runner) = try fixture.fleet.heartbeat(id) else {
                Issue.record("not renewed")
                return
            }
            let after = Timing.system.wallClock()
            // A second is left, whatever the lease says; and it is told to the second.
            let expires = try #require(runner.expiresAt.flatMap(UTCTime.init(rfc3339:)))
            #expect((before...after + 2000).contains(expires.milliseconds))
            fixture.pass(1)
            try fixture.fleet.reap()
            #expect(await eventually { fixture.provider.books.withLock { $0.destroyed == [id] } })
        }
    }

    @Test func destroyIsSafeToRepeatForAnHour() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1")
            for _ in 0..<2 {
                guard case .gone(let runner) = try fixture.fleet.destroy(id, reason: "test") else {
                    Issue.record("not gone")
                    return
                }
                #expect(runner.state == .gone)
            }
            #expect(fixture.provider.books.withLock { $0.destroyed } == [id])
            guard case .gone = try fixture.fleet.heartbeat(id) else {
                Issue.record("heartbeat of the gone")
                return
            }
            guard case .unknown = try fixture.fleet.destroy("r-never", reason: "test") else {
                Issue.record("destroyed what never was")
                return
            }
        }
    }

    @Test func destroyWhileItIsMadeWaitsAndRemoves() async throws {
        try await withFleet { fixture in
            fixture.provider.gate.update { $0 = false }
            guard case .created(let runner) = try fixture.spawn("key-1") else {
                Issue.record("not created")
                return
            }
            let id = runner.runnerID
            #expect(await eventually { fixture.provider.books.withLock { $0.existing == [id] } })
            let destroying = Task { await onOwnThread { try? fixture.fleet.destroy(id, reason: "test") } }
            #expect(await eventually { (try? fixture.store.runner(id)?.state) == .gone })
            #expect(fixture.provider.books.withLock { $0.destroyed.isEmpty })
            fixture.provider.gate.update { $0 = true }
            guard case .gone = await destroying.value else {
                Issue.record("not gone")
                return
            }
            #expect(fixture.provider.books.withLock { $0.destroyed == [id] && $0.existing.isEmpty })
            #expect(try fixture.store.runner(id)?.state == .gone)
        }
    }

    @Test func aFailureIsToldAndClearedAway() async throws {
        try await withFleet { fixture in
            guard case .created(let runner) = try fixture.spawn("key-1", build: "fails") else {
                Issue.record("not created")
                return
            }
            let failed = try fixture.fleet.runner(runner.runnerID, waitingAtMost: .seconds(120))
            #expect(failed?.state == .failed)
            #expect(failed?.reason == "it does not work")
            #expect(await eventually { fixture.provider.books.withLock { $0.destroyed == [runner.runnerID] } })
        }
    }

    @Test func aRunnerThatDiesHasFailed() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1")
            _ = fixture.provider.books.withLock { $0.dead.insert(id) }
            try fixture.fleet.reap()
            #expect(await eventually { fixture.provider.books.withLock { $0.destroyed == [id] } })
            #expect(try fixture.fleet.runner(id)?.state == .failed)
        }
    }

    @Test func aTeardownThatFailsIsTriedAgainLater() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1")
            fixture.provider.books.withLock { $0.teardownsThatFail = 1 }
            guard case .failed = try fixture.fleet.destroy(id, reason: "test") else {
                Issue.record("said to be gone")
                return
            }
            try fixture.fleet.reap()
            #expect(fixture.provider.books.withLock { $0.destroyed.isEmpty })
            fixture.pass(10)
            try fixture.fleet.reap()
            #expect(await eventually { fixture.provider.books.withLock { $0.destroyed == [id] } })
        }
    }

    @Test func anotherBootLeavesNothing() async throws {
        try await withTemporaryFolder { folder in
            let first = try Fixture(folder)
            let id = try first.ready("key-1")
            let second = try Fixture(folder, provider: first.provider, boot: "boot-2")
            try second.reconcile()
            #expect(try second.fleet.runner(id) == nil)
            #expect(second.provider.books.withLock { $0.destroyed } == [id])
        }
    }

    @Test func reconcileKeepsTheLivingAndRemovesTheRest() async throws {
        try await withTemporaryFolder { folder in
            let first = try Fixture(folder, capacity: 10)
            let living = try first.ready("key-1")
            let dead = try first.ready("key-2")
            let expired = try first.ready("key-3", lease: 10)
            first.provider.gate.update { $0 = false }
            guard case .created(let pending) = try first.spawn("key-4") else {
                Issue.record("not created")
                return
            }
            #expect(await eventually { first.provider.books.withLock { $0.existing.count == 4 } })
            first.provider.books.withLock { books in
                books.dead.insert(dead)
                books.existing.insert("r-stray")
            }
            let second = try Fixture(folder, capacity: 10, provider: first.provider)
            second.pass(11)
            try second.reconcile()
            let left = try second.fleet.runners(of: nil)
            #expect(left.filter { $0.state == .ready }.map(\.runnerID) == [living])
            #expect(left.filter { $0.state == .failed }.map(\.runnerID) == [dead])
            #expect(
                Set(second.provider.books.withLock { $0.destroyed })
                    == [dead, expired, pending.runnerID, "r-stray"])
            first.provider.gate.update { $0 = true }
        }
    }

    @Test func stoppingEndsWaitsAndSpawnsAndRunners() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1")
            try fixture.fleet.stop(destroying: true)
            #expect(fixture.provider.books.withLock { $0.destroyed } == [id])
            guard case .stopping = try fixture.spawn("key-2") else {
                Issue.record("spawned while stopping")
                return
            }
        }
    }

    @Test func aWaitEndsWithTheChange() async throws {
        try await withFleet { fixture in
            fixture.provider.gate.update { $0 = false }
            guard case .created(let runner) = try fixture.spawn("key-1") else {
                Issue.record("not created")
                return
            }
            #expect(try fixture.fleet.runner(runner.runnerID, waitingAtMost: .milliseconds(20))?.state == .pending)
            let waiting = Task {
                await onOwnThread { try? fixture.fleet.runner(runner.runnerID, waitingAtMost: .seconds(120)) }
            }
            fixture.provider.gate.update { $0 = true }
            #expect(await waiting.value?.state == .ready)
        }
    }
}
