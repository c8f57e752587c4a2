import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

/// Machines that have booted before anybody asks, as the books see them.
@Suite struct StandbyTests {
    private static let size = WireSize(tier: "cx22", cpu: 2, memoryMB: 4096)

    private static func plan(_ count: Int, form: String = "far") -> [String: StandbyConfig] {
        ["far": StandbyConfig(count: count, size: size, minutes: 60, form: form)]
    }

    /// What a test has: a fleet, and the provider that has machines on standby.
    struct Scene {
        let fixture: FleetFixture
        let far: BookkeepingProvider

        var waiting: [String] { fixture.fleet.onStandby.filter { $0.state == .ready }.map(\.id) }
        var status: StandbyStatus? { fixture.fleet.providerStatuses().last?.standby }

        /// Once so many wait, and nothing is under way.
        func standsBy(_ count: Int) async -> Bool {
            await eventually {
                fixture.fleet.reap()
                return waiting.count == count && fixture.fleet.onStandby.count == count
                    && fixture.fleet.making.current.isEmpty
            }
        }

        func spawn(
            _ key: String, by token: Token = .ofAll("secret"), _ change: (inout SpawnRequest) -> Void = { _ in }
        ) throws -> Fleet.SpawnOutcome {
            var order = fleetOrder()
            order.provider = "far"
            change(&order)
            return try fixture.fleet.spawn(order, key: key, by: token)
        }

        func runner(_ key: String, _ change: (inout SpawnRequest) -> Void = { _ in }) throws -> RunnerAnswer {
            guard case .created(let runner) = try spawn(key, change) else { throw NotCreated() }
            return try #require(try fixture.fleet.runner(runner.runnerID, waitingAtMost: .seconds(120)))
        }

        func killedAndStarted(_ standby: [String: StandbyConfig]) throws -> Scene {
            Scene(fixture: try fixture.killedAndStarted(others: [far], standby: standby), far: far)
        }
    }

    private func withScene(
        _ count: Int, capacity: Int = 10, regions: Set<String> = [], _ body: (Scene) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let far = BookkeepingProvider(name: "far", kind: "lxd")
            far.books.withLock { $0.regions = regions }
            let fixture = try FleetFixture(folder, capacity: capacity, others: [far], standby: Self.plan(count))
            try await body(Scene(fixture: fixture, far: far))
        }
    }

    // MARK: - Used

    @Test func aBuildTakesOneOverAndAnotherBoots() async throws {
        try await withScene(2) { scene in
            #expect(await scene.standsBy(2))
            let before = Set(scene.waiting)
            let machines = scene.fixture.fleet.onStandby
            scene.fixture.pass(60)
            let runner = try scene.runner("key-1")
            #expect(before.contains(runner.runnerID) && runner.state == .ready)
            #expect(runner.workspace == "acme" && runner.host == "127.0.0.1")
            let handedOver = scene.far.books.withLock { $0.handedOver }
            let key = machines.first { $0.id == runner.runnerID }?.standby?.key
            #expect(handedOver.count == 1 && handedOver[0].by == key)
            #expect(handedOver[0].to == SSHPublicKey(callersLine: fleetOrder().sshPublicKey)?.line)
            // It lives as any runner does, from now on.
            let now = try #require(try scene.fixture.store.runner(runner.runnerID))
            #expect(now.leaseEnds == scene.fixture.clock.now() + 60_000 && now.begun == scene.fixture.clock.now())
            #expect(now.standby == nil && now.buildID == "b-1" && now.token == "the orchestrator's token")
            #expect(await scene.standsBy(2))
            #expect(scene.far.books.withLock { $0.creates } == 3)
            // Whoever asks again for the same runner gets no second machine.
            guard case .known(let again) = try scene.spawn("key-1") else {
                Issue.record("another runner")
                return
            }
            #expect(again.runnerID == runner.runnerID && scene.waiting.count == 2)
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let what: String
        let fits: Bool
        let change: @Sendable (inout SpawnRequest) -> Void
        var testDescription: String { what }
    }

    @Test(arguments: [
        Row(what: "the size", fits: true) { _ in },
        Row(what: "the size by no tier's name", fits: true) { $0.size.tier = nil },
        Row(what: "another tier of that size", fits: false) { $0.size.tier = "own" },
        Row(what: "more cores", fits: false) { $0.size.cpu = 4 },
        Row(what: "less memory", fits: false) { $0.size.memoryMB = 2048 },
        Row(what: "the region it is in", fits: true) { $0.region = "east" },
        Row(what: "another region", fits: false) { $0.region = "west" },
        Row(what: "the platform", fits: true) { $0.platform = "linux/amd64" },
        Row(what: "another provider", fits: false) { $0.provider = "local" },
        Row(what: "a volume to keep", fits: false) { order in
            order.volume = VolumeName("ci/acme/app").map { VolumeRequest(from: [], to: $0) }
        },
        Row(what: "a volume that there is none of, and that is not kept", fits: true) { order in
            order.volume = VolumeName("ci/acme/app").map { VolumeRequest(from: [$0], to: nil) }
        },
    ])
    func onlyWhatFitsIsTaken(_ row: Row) async throws {
        try await withScene(1, regions: ["east", "west"]) { scene in
            #expect(await scene.standsBy(1))
            let waiting = scene.waiting
            let runner = try scene.runner("key-1", row.change)
            #expect(runner.state == .ready && waiting.contains(runner.runnerID) == row.fits)
        }
    }

    @Test func twoAtOnceNeverGetTheSame() async throws {
        try await withScene(2) { scene in
            #expect(await scene.standsBy(2))
            let waiting = Set(scene.waiting)
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 1...8 {
                    group.addTask { try await onOwnThread { _ in try scene.runner("key-\(number)").runnerID } }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(ids.count == 8 && Set(ids).count == 8 && waiting.isSubset(of: ids))
            #expect(scene.far.books.withLock { $0.handedOver.count } == 2)
        }
    }

    /// It died unnoticed: the build gets a machine that is made for it, under the same id.
    @Test func oneThatIsDeadIsMadeAnew() async throws {
        try await withScene(1) { scene in
            #expect(await scene.standsBy(1))
            let waiting = scene.waiting
            scene.far.books.withLock { $0.handOversFail = true }
            let runner = try scene.runner("key-1")
            #expect([runner.runnerID] == waiting && runner.state == .ready)
            #expect(scene.far.books.withLock { $0.creates } == 2)
            #expect(scene.fixture.told.value.contains { $0.contains("cannot be handed over: it is silent") })
        }
    }

    /// A refusal for other reasons leaves it where it was.
    @Test func oneThatIsRefusedIsGivenBack() async throws {
        try await withScene(1) { scene in
            #expect(await scene.standsBy(1))
            var token = Token.ofAll("secret")
            token.maxRunners = 0
            guard case .refused(.quota) = try scene.spawn("key-1", by: token) else {
                Issue.record("beyond its quota")
                return
            }
            let waiting = scene.waiting
            #expect(waiting.count == 1)
            #expect(try [scene.runner("key-2").runnerID] == waiting)
        }
    }

    // MARK: - Counted

    @Test func theyTakePlacesAndYieldToBuilds() async throws {
        try await withScene(3, capacity: 2) { scene in
            #expect(await scene.standsBy(2))
            #expect(scene.status == StandbyStatus(wanted: 3, ready: 2, booting: 0))
            let large = WireSize(tier: nil, cpu: 4, memoryMB: 8192)
            guard case .refused(.capacity) = try scene.spawn("key-1", { $0.size = large }) else {
                Issue.record("beyond the capacity")
                return
            }
            #expect(await eventually { scene.far.books.withLock { $0.destroyed.count } == 1 })
            // Nothing takes its place before the build has asked again.
            scene.fixture.pass(20)
            #expect(await scene.standsBy(1))
            #expect(try scene.runner("key-1") { $0.size = large }.state == .ready)
            _ = try scene.fixture.fleet.destroy(scene.fixture.fleet.unfinished[0].id, reason: "test")
            scene.fixture.pass(60)
            #expect(await scene.standsBy(2))
        }
    }

    /// Nobody but the operator sees them, and then beside the runners.
    @Test func theyAreNoRunnersOfAnybody() async throws {
        try await withScene(2) { scene in
            #expect(await scene.standsBy(2))
            let record = try #require(scene.fixture.fleet.onStandby.first)
            let all = Token.ofAll("secret")
            let target = "/api/v1/runners/\(record.id)"
            for (method, path) in [("GET", target), ("DELETE", target), ("POST", "\(target)/heartbeat")] {
                #expect(await ask(scene.fixture.routes, method, path, by: all).status == 404, "\(method)")
            }
            let list = await ask(scene.fixture.routes, "GET", "/api/v1/runners", by: all)
            #expect(try JSONValue.parse(list.body)["data"] == [])
            func overview(_ token: Token) async throws -> JSONValue? {
                let answer = await ask(scene.fixture.routes, "GET", "/api/v1/overview", by: token)
                #expect(!String(decoding: answer.body, as: UTF8.self).contains("PRIVATE KEY"))
                return try JSONValue.parse(answer.body)["data"]
            }
            let seen = try await overview(all)
            #expect(seen?["runners"] == [] && seen?["capacity"]?["taken"] == 2)
            let provider = seen?["providers"]?[1]
            #expect(provider?["standby"] == ["wanted": 2, "ready": 2, "booting": 0, "reason": .null])
            #expect(provider?["taken"] == 2 && seen?["providers"]?[0]?["standby"] == .null)
            // One whose workspace is called as they are sees none of them either.
            let stranger = try AccessTests.token("stranger", .read, [StandbyConfig.workspace])
            let strangers = try await overview(stranger)
            #expect(strangers?["capacity"]?["taken"] == 0 && strangers?["providers"]?[1]?["taken"] == 0)
            let metrics = await ask(scene.fixture.routes, "GET", "/metrics", by: all)
            let text = String(decoding: metrics.body, as: UTF8.self)
            for line in [
                "lian_standby_machines{provider=\"far\",state=\"ready\"} 2", "lian_standby_wanted{provider=\"far\"} 2",
                "lian_runners_places_taken 2",
            ] { #expect(text.contains("\(line)\n"), "\(line)") }
            #expect(!text.contains("lian_spawns_total{") && !text.contains("lian_runners{"))
            let page = await ask(scene.fixture.routes, "GET", "/parts/overview", by: all)
            #expect(String(decoding: page.body, as: UTF8.self).contains("2 of 2 on standby"))
        }
    }

    // MARK: - Ended

    @Test func theyExpireAndOthersBoot() async throws {
        try await withScene(2) { scene in
            #expect(await scene.standsBy(2))
            let first = Set(scene.waiting)
            scene.fixture.pass(60 * 60 - 1)
            #expect(await scene.standsBy(2))
            #expect(Set(scene.waiting) == first)
            scene.fixture.pass(1)
            #expect(
                await eventually {
                    scene.fixture.fleet.reap()
                    return first.isDisjoint(with: scene.waiting) && scene.waiting.count == 2
                })
            #expect(await eventually { scene.far.books.withLock { first.isSubset(of: $0.destroyed) } })
        }
    }

    @Test func whatDiesIsReplaced() async throws {
        try await withScene(2) { scene in
            #expect(await scene.standsBy(2))
            let dead = scene.waiting[0]
            scene.far.books.withLock { _ = $0.dead.insert(dead) }
            scene.fixture.fleet.reap()
            #expect(await eventually { scene.far.books.withLock { $0.destroyed == [dead] } })
            scene.fixture.pass(5)
            #expect(await scene.standsBy(2))
            #expect(!scene.waiting.contains(dead))
        }
    }

    /// Tried ever more seldom, one at a time, and told once.
    @Test func whatDoesNotBootIsToldOnce() async throws {
        try await withScene(2) { scene in
            scene.far.books.withLock { $0.createsThatFail = 1000 }
            func creates(after seconds: Int) async -> Int {
                scene.fixture.pass(seconds)
                #expect(await scene.standsBy(0))
                scene.fixture.fleet.reap()
                #expect(await scene.standsBy(0))
                return scene.far.books.withLock { $0.creates }
            }
            #expect(await creates(after: 0) == 2)
            #expect(scene.status?.problem == "it does not work")
            #expect(await creates(after: 4) == 2)
            var seen: [Int] = []
            for pause in [6, 20, 40, 80, 160, 320, 600, 600] { seen.append(await creates(after: pause)) }
            #expect(seen == Array(3...10))
            func told(_ event: String) -> Int { scene.fixture.told.value.count { $0.contains(event) } }
            #expect(told("no machine comes on standby") == 1)
            scene.far.books.withLock { $0.createsThatFail = 0 }
            scene.fixture.pass(600)
            #expect(await scene.standsBy(2))
            #expect(told("machines come on standby again") == 1 && scene.status?.problem == nil)
        }
    }

    @Test func whatIsNotAskedForAnyMoreGoes() async throws {
        try await withScene(3) { scene in
            #expect(await scene.standsBy(3))
            func allow(_ standby: [String: StandbyConfig]) {
                scene.fixture.fleet.allow(Places(all: 10, standby: standby))
            }
            allow(Self.plan(1))
            #expect(await scene.standsBy(1))
            let left = scene.waiting
            allow(Self.plan(1, form: "another image"))
            #expect(
                await eventually {
                    scene.fixture.fleet.reap()
                    return scene.waiting.count == 1 && scene.waiting != left
                })
            allow([:])
            #expect(await scene.standsBy(0))
            #expect(await eventually { scene.far.books.withLock { $0.existing.isEmpty } })
        }
    }

    // MARK: - Over a restart

    enum Moment: String, CaseIterable, Sendable { case whileBooting, onStandby, whileHandedOver, handedOver }

    /// kill -9 at each step: what waits goes on waiting, and nothing is there that nobody knows of.
    @Test(arguments: Moment.allCases)
    func whatAKillLeaves(moment: Moment) async throws {
        try await withScene(1) { first in
            let far = first.far
            // What the first life still does ends with the test.
            defer {
                far.gate.update { $0 = true }
                far.door.update { $0 = true }
            }
            if moment == .whileBooting { far.gate.update { $0 = false } }
            first.fixture.fleet.reap()
            if moment == .whileBooting {
                #expect(await eventually { far.books.withLock { $0.existing.count } == 1 })
            } else {
                #expect(await first.standsBy(1))
            }
            let id = try #require(far.books.withLock { $0.existing.first })
            if moment == .whileHandedOver { far.door.update { $0 = false } }
            if moment == .whileHandedOver || moment == .handedOver {
                guard case .created(let runner) = try first.spawn("key-1") else { throw NotCreated() }
                #expect(runner.runnerID == id)
            }
            if moment == .handedOver {
                #expect(try first.fixture.fleet.runner(id, waitingAtMost: .seconds(120))?.state == .ready)
            }
            let second = try first.killedAndStarted(Self.plan(1))
            #expect(try second.fixture.reconcile())
            switch moment {
            case .whileBooting, .whileHandedOver:
                #expect(far.books.withLock { $0.existing.isEmpty && $0.destroyed == [id] })
                #expect(second.fixture.fleet.onStandby.isEmpty)
            case .onStandby:
                #expect(second.waiting == [id])
                let key = try #require(first.fixture.fleet.onStandby.first?.standby?.key)
                #expect(try second.runner("key-1").runnerID == id)
                #expect(far.books.withLock { $0.handedOver.map(\.by) } == [key])
            case .handedOver:
                #expect(try second.fixture.fleet.runner(id)?.state == .ready)
                #expect(second.fixture.fleet.onStandby.isEmpty)
            }
            far.gate.update { $0 = true }
            #expect(await second.standsBy(1))
        }
    }

    /// By a configuration that asks for others, or for none, as a sweep does.
    @Test(arguments: ["another image", nil])
    func aStartRemovesWhatIsNotAskedFor(form: String?) async throws {
        try await withScene(2) { first in
            #expect(await first.standsBy(2))
            let second = try first.killedAndStarted(form.map { Self.plan(2, form: $0) } ?? [:])
            #expect(try second.fixture.reconcile())
            #expect(second.fixture.fleet.onStandby.isEmpty && first.far.books.withLock { $0.existing.isEmpty })
        }
    }

    /// What a stop keeps waits on, and what it destroys is gone.
    @Test(arguments: [true, false])
    func aStopEndsThemOrKeepsThem(destroying: Bool) async throws {
        try await withScene(2) { scene in
            #expect(await scene.standsBy(2))
            let isDone = await onOwnThread { scene.fixture.fleet.stop(destroying: destroying) }
            #expect(isDone && scene.far.books.withLock { $0.existing.count } == (destroying ? 0 : 2))
        }
    }
}
