import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

/// Which of several providers makes a runner.
@Suite struct ProviderChoiceTests {
    /// What is asked for, and who makes it; where nobody does, what is said.
    struct Row: Sendable, CustomTestStringConvertible {
        var provider: String?
        var region: String?
        var platform: String?
        /// These do not answer, and these have no room.
        var gone: Set<String> = []
        var full: Set<String> = []
        let answer: String

        var testDescription: String { answer }
    }

    @Test(arguments: [
        Row(answer: "near"),
        Row(provider: "far", answer: "far"),
        Row(provider: "lxd", answer: "far"),
        // A name goes before a kind.
        Row(provider: "docker-local", answer: "docker-local"),
        Row(
            provider: "moon",
            answer: "422 provider 'moon' is not served here: there is 'near' (local), 'far' (lxd), "
                + "'docker-local' (local), 'arm' (lxd)"),
        Row(region: "north", answer: "far"),
        Row(platform: "linux/arm64", answer: "arm"),
        Row(provider: "near", region: "north", answer: "422 no region north"),
        Row(provider: "lxd", region: "south", answer: "422 far: no region south; arm: no region south"),
        Row(gone: ["near"], answer: "far"),
        Row(full: ["near", "far"], answer: "docker-local"),
        Row(provider: "far", gone: ["far"], answer: "503 far does not answer"),
        Row(provider: "lxd", gone: ["far"], answer: "arm"),
        Row(provider: "lxd", gone: ["far", "arm"], answer: "503 far does not answer; arm does not answer"),
        // Room may come soon.
        Row(provider: "lxd", gone: ["far"], full: ["arm"], answer: "429 arm is full; far does not answer"),
        Row(provider: "near", full: ["near"], answer: "429 near is full"),
    ])
    func whoMakesIt(_ row: Row) async throws {
        try await withTemporaryFolder { folder in
            let near = BookkeepingProvider(name: "near")
            let others = [
                BookkeepingProvider(name: "far", kind: "lxd"), BookkeepingProvider(name: "docker-local"),
                BookkeepingProvider(name: "arm", kind: "lxd", platform: "linux/arm64"),
            ]
            others[0].books.withLock { $0.regions = ["north"] }
            for provider in [near] + others {
                let name = provider.name
                provider.books.withLock { books in
                    books.isGone = row.gone.contains(name)
                    books.obstacle = row.full.contains(name) ? .noRoom("\(name) is full") : nil
                }
            }
            let fixture = try FleetFixture(folder, provider: near, others: others)
            var order = fleetOrder(region: row.region)
            order.provider = row.provider
            order.platform = row.platform
            let outcome = try fixture.fleet.spawn(order, key: "key-1", by: .ofAll("secret"))
            let answer =
                switch outcome {
                case .created(let runner): runner.provider ?? ""
                case .unservable(let reason): "422 \(reason)"
                case .hindered(.noRoom(let reason)): "429 \(reason)"
                case .hindered(.unreachable(let reason)), .hindered(.diskFull(let reason)): "503 \(reason)"
                default: "\(outcome)"
                }
            #expect(answer == row.answer)
        }
    }

    /// Each has places of its own beside those of all, and whoever asks for none goes to the next.
    @Test func eachProviderHasPlacesOfItsOwn() async throws {
        try await withTemporaryFolder { folder in
            let fixture = try FleetFixture(
                folder, capacity: 4, others: [BookkeepingProvider(name: "far", kind: "lxd")],
                ofProviders: ["local": 1, "far": 2])
            func provider(_ key: String, _ wanted: String? = nil) throws -> String? {
                guard case .created(let runner) = try fixture.spawn(key, provider: wanted) else { return nil }
                return runner.provider
            }
            let made = try (1...3).map { try provider("key-\($0)") }
            #expect(made == ["local", "far", "far"])
            guard case .hindered(.noRoom(let reason)) = try fixture.spawn("key-4") else {
                Issue.record("a fourth")
                return
            }
            #expect(
                reason
                    == "all 1 runners that the provider 'local' may have are taken; "
                    + "all 2 runners that the provider 'far' may have are taken")
            guard case .refused(.provider("far", limit: 2)) = try fixture.spawn("key-4", provider: "far") else {
                Issue.record("a fourth")
                return
            }
            // Who has one already is told of it.
            guard case .known = try fixture.spawn("key-2") else {
                Issue.record("a known key was refused")
                return
            }
            let statuses = fixture.fleet.providerStatuses()
            #expect(statuses.map(\.taken) == [1, 2] && statuses.map(\.capacity) == [1, 2])
            fixture.fleet.allow(Places(all: 3, ofProviders: ["local": 3]))
            guard case .refused(.capacity) = try fixture.spawn("key-4") else {
                Issue.record("more than all may have")
                return
            }
            fixture.fleet.allow(Places(all: 5, ofProviders: ["local": 3]))
            #expect(try provider("key-4") == "local")
        }
    }

    /// One that hangs keeps nobody from the others, though it comes first.
    @Test func oneThatHangsIsNotWaitedFor() async throws {
        let gate = Monitor(false)
        defer { gate.update { $0 = true } }
        let hanging = ServedProvider(name: "far", kind: "lxd") { () throws(ProviderError) in
            gate.wait(atMost: .seconds(120)) { $0 ? true : nil }
            throw ProviderError("it is still gone")
        }
        let near = BookkeepingProvider()
        let providers = Providers(hanging, [ServedProvider(near)], machine: near)
        let able = try providers.able(toServe: fleetOrder())
        #expect(able.map(\.name) == ["far", "local"])
        let candidates = providers.candidates(able, for: fleetOrder())
        #expect(candidates.map(\.provider.name) == ["local", "far"])
        #expect(candidates[0].obstacle() == nil)
    }
}

/// A provider that is not there when it is needed, and comes.
@Suite struct ServedProviderTests {
    @Test func itIsTriedAgainUntilItIsThere() async throws {
        let isThere = Guarded(false)
        let tries = Guarded(0)
        let served = ServedProvider(name: "far", kind: "lxd", pause: .zero) { () throws(ProviderError) in
            tries.update { $0 += 1 }
            guard isThere.value else { throw ProviderError("no member answers") }
            return BookkeepingProvider(name: "far", kind: "lxd")
        }
        let problem = await onOwnThread { Result { () throws(ProviderError) in try served.opened().name } }
        guard case .failure(let failure) = problem else {
            Issue.record("it is there")
            return
        }
        #expect(failure.description == "no member answers" && served.current == nil)
        #expect(served.kind == "lxd")
        isThere.set(true)
        // Whoever only looks at it has it tried again, and waits for nothing.
        #expect(await eventually { served.problem == nil })
        #expect(served.current?.name == "far")
        let before = tries.value
        _ = try await onOwnThread { Result { () throws(ProviderError) in try served.opened().name } }.get()
        #expect(tries.value == before)
    }

    /// Many ask at once, and one tries.
    @Test func oneTryAnswersAll() async throws {
        let gate = Monitor(false)
        let tries = Guarded(0)
        let served = ServedProvider(name: "far", kind: "lxd") { () throws(ProviderError) in
            tries.update { $0 += 1 }
            gate.wait(atMost: .seconds(120)) { $0 ? true : nil }
            throw ProviderError("no member answers")
        }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let result = await onOwnThread {
                        Result { () throws(ProviderError) in try served.opened(within: nil).name }
                    }
                    #expect((try? result.get()) == nil)
                }
            }
            #expect(await eventually { tries.value == 1 })
            gate.update { $0 = true }
        }
        #expect(tries.value == 1)
    }
}

/// What becomes of the runners of several providers over a restart.
@Suite struct SeveralProvidersTests {
    private static let far = Providers.Place.elsewhere("far")

    @Test func oneThatDoesNotAnswerAtTheStartIsLookedAtLater() async throws {
        try await withTemporaryFolder { folder in
            let far = BookkeepingProvider(name: "far", kind: "lxd")
            let first = try FleetFixture(folder, others: [far])
            let near = try first.ready("key-1")
            let away = try first.ready("key-2", provider: "far")
            // What a crash has left of each, and nobody knows any more.
            first.provider.books.withLock { _ = $0.existing.insert("r-strayhere1") }
            far.books.withLock { books in
                books.existing.insert("r-strayaway1")
                books.isGone = true
            }
            let second = try first.killedAndStarted(others: [far], unswept: [Self.far])
            let outcome = try second.reconciliation().run()
            #expect(outcome == Reconciliation.Outcome(isClean: false, unseen: [Self.far]))
            #expect(second.provider.books.withLock { $0.existing } == [near])
            // Nothing is known of it, so it is left as it is.
            #expect(try second.fleet.runner(away)?.state == .ready)
            second.fleet.reap()
            #expect(try second.fleet.runner(away)?.state == .ready)

            far.books.withLock { books in
                books.isGone = false
                books.dead = [away]
            }
            second.pass(11)
            second.fleet.reap()
            #expect(await eventually { far.books.withLock { $0.existing.isEmpty } })
            #expect(Set(far.books.withLock { $0.destroyed }) == [away, "r-strayaway1"])
            #expect(second.provider.books.withLock { $0.existing } == [near])
        }
    }

    /// What was asked for before the last start may be there only after it.
    @Test func whatComesLateIsFoundByAndBy() async throws {
        try await withTemporaryFolder { folder in
            let far = BookkeepingProvider(name: "far", kind: "lxd")
            let fixture = try FleetFixture(folder, others: [far])
            let away = try fixture.ready("key-1", lease: 300, provider: "far")
            far.gate.update { $0 = false }
            guard case .created(let pending) = try fixture.spawn("key-2", lease: 300, provider: "far") else {
                throw NotCreated()
            }
            #expect(await eventually { far.books.withLock { $0.existing.contains(pending.runnerID) } })
            far.books.withLock { _ = $0.existing.insert("r-strayaway1") }
            fixture.fleet.reap()
            #expect(far.books.withLock { $0.destroyed.isEmpty })
            fixture.pass(31)
            fixture.fleet.reap()
            #expect(far.books.withLock { $0.destroyed } == ["r-strayaway1"])
            #expect(far.books.withLock { $0.existing } == [away, pending.runnerID])
            far.gate.update { $0 = true }
            _ = fixture.fleet.stop(destroying: true)
        }
    }

    /// Two that list the same machines take nothing from each other.
    @Test func whatAnotherOneHasMadeIsNoStray() async throws {
        try await withTemporaryFolder { folder in
            let (far, further) = (
                BookkeepingProvider(name: "far", kind: "lxd"), BookkeepingProvider(name: "further", kind: "lxd")
            )
            let first = try FleetFixture(folder, others: [far, further])
            let away = try first.ready("key-1", provider: "far")
            further.books.withLock { _ = $0.existing.insert(away) }
            let second = try first.killedAndStarted(others: [far, further])
            #expect(try second.reconcile())
            #expect(further.books.withLock { $0.destroyed.isEmpty } && far.books.withLock { $0.destroyed.isEmpty })
        }
    }

    /// Runners of this machine go whatever their provider is called by now; those elsewhere wait for theirs.
    @Test func aProviderThatIsNotConfiguredAnyMore() async throws {
        try await withTemporaryFolder { folder in
            let far = BookkeepingProvider(name: "far", kind: "lxd")
            let here = BookkeepingProvider(name: "here")
            let first = try FleetFixture(folder, others: [far, here])
            let near = try first.ready("key-1", provider: "here")
            let away = try first.ready("key-2", provider: "far")
            let second = try first.killedAndStarted()
            #expect(try second.reconcile() == false)
            #expect(try second.fleet.runner(near)?.state == .ready)
            guard case .gone = try second.fleet.destroy(near, reason: "test") else {
                Issue.record("it stays")
                return
            }
            #expect(second.provider.books.withLock { $0.destroyed } == [near])
            guard case .failed(let reason) = try second.fleet.destroy(away, reason: "test") else {
                Issue.record("it is gone")
                return
            }
            #expect(reason.contains("no provider 'far' any more"))
            #expect(second.fleet.unfinished.map(\.id) == [away])
        }
    }

    /// A cluster that hangs ends no lease late, and hides no death elsewhere.
    @Test func placesAreLookedAtSideBySide() async throws {
        try await withTemporaryFolder { folder in
            let gate = Monitor(true)
            let near = BookkeepingProvider()
            let hanging = ServedProvider(name: "far", kind: "lxd") { () throws(ProviderError) in
                gate.wait(atMost: .seconds(120)) { $0 ? nil : true }
                throw ProviderError("it is still gone")
            }
            defer { gate.update { $0 = false } }
            let log = EventLog(.text) { _ in }
            let store = try Store(path: folder.appending(path: "store").path)
            let clock = BootClock(bootID: "boot-1", now: { 1000 }, wallClock: { 1000 })
            let fleet = Fleet(
                roster: try Roster(store, log: log),
                providers: Providers(ServedProvider(near), [hanging], machine: near), volumes: nil, clock: clock,
                log: log, allowing: Places(all: 4), unswept: [Self.far])
            try fleet.startReaper(every: .milliseconds(1))
            guard case .created(let runner) = try fleet.spawn(fleetOrder(), key: "key-1", by: .ofAll("secret")) else {
                throw NotCreated()
            }
            #expect(try fleet.runner(runner.runnerID, waitingAtMost: .seconds(120))?.state == .ready)
            near.books.withLock { $0.dead = [runner.runnerID] }
            #expect(await eventually { near.books.withLock { $0.destroyed == [runner.runnerID] } })
            gate.update { $0 = false }
            _ = fleet.stop(destroying: true)
        }
    }

    /// Each runner has volumes of its own provider, over a restart at which that is not there.
    @Test func volumesOfEach() async throws {
        try await withTemporaryFolder { folder in
            let far = BookkeepingProvider(name: "far", kind: "lxd")
            let bare = BookkeepingProvider(name: "bare", kind: "hcloud")
            far.books.withLock { $0.volumesBelow = folder.appending(path: "far").path }
            try makeFolder(folder.appending(path: "far").path)
            let first = try FleetFixture(folder, others: [far, bare])
            first.fleet.reap()
            let name = try #require(VolumeName("ci/acme/app"))
            func runner(_ key: String, on provider: String, of fixture: FleetFixture) throws -> RunnerAnswer {
                let volume = VolumeRequest(from: [name], to: name)
                guard case .created(let runner) = try fixture.spawn(key, volume: volume, provider: provider) else {
                    throw NotCreated()
                }
                return try #require(try fixture.fleet.runner(runner.runnerID, waitingAtMost: .seconds(120)))
            }
            let away = try runner("key-1", on: "far", of: first)
            #expect(away.volume?.reason == "none_yet")
            #expect(try first.keep(away.runnerID)?.kept == true)
            #expect(far.books.withLock { $0.enginesStopped } == [away.runnerID])
            _ = try first.fleet.destroy(away.runnerID, reason: "test")
            #expect(try runner("key-2", on: "local", of: first).volume?.reason == "other_provider")
            #expect(try runner("key-3", on: "bare", of: first).volume?.reason == "not_offered")
            let page = String(
                decoding: await ask(first.routes, "GET", "/metrics", by: .ofAll("secret")).body, as: UTF8.self)
            #expect(page.contains(#"lian_volumes{workspace="acme",provider="far"} 1"#), "\(page)")
            #expect(page.contains(#"lian_disk_free_bytes{disk="volumes",provider="far"} "#), "\(page)")
            let health = try JSONValue.parse(
                await ask(first.routes, "GET", "/healthz", by: .ofAll("secret")).body)["data"]
            let states = health?["provider_states"]?.arrayValue?.map { $0["volumes"] }
            #expect(states == ["exclusive", "exclusive", "none"])
            #expect(health?["volumes"] == "exclusive")

            far.books.withLock { $0.isGone = true }
            let second = try first.killedAndStarted(others: [far, bare], unswept: [Self.far])
            second.fleet.reap()
            #expect(second.volumes.awaits(Self.far))
            far.books.withLock { $0.isGone = false }
            second.pass(11)
            second.fleet.reap()
            #expect(try runner("key-4", on: "far", of: second).volume?.state == .warm)
        }
    }

    @Test func healthAndOverviewTellOfEach() async throws {
        try await withTemporaryFolder { folder in
            let far = BookkeepingProvider(name: "far", kind: "lxd", platform: "linux/arm64")
            let fixture = try FleetFixture(folder, others: [far], ofProviders: ["far": 3])
            _ = try fixture.ready("key-1", provider: "far")
            func data(_ path: String) async throws -> JSONValue? {
                try JSONValue.parse(await ask(fixture.routes, "GET", path, by: .ofAll("secret")).body)["data"]
            }
            let health = try await data("/healthz")
            #expect(health?["providers"] == ["local", "far"] && health?["provider"] == "local")
            #expect(health?["platforms"] == ["linux/amd64", "linux/arm64"] && health?["status"] == "ok")
            let shown = try await data("/api/v1/overview")?["providers"]
            #expect(shown?[0]?["taken"] == 0 && shown?[0]?["capacity"] == .null)
            #expect(shown?[1]?["taken"] == 1 && shown?[1]?["capacity"] == 3 && shown?[1]?["kind"] == "lxd")

            far.books.withLock { $0.isGone = true }
            // The other one serves.
            let half = try await data("/healthz")
            #expect(half?["status"] == "ok" && half?["provider_states"]?[0]?["health"] == "ok")
            #expect(half?["provider_states"]?[1]?["reason"] == "far does not answer")
            #expect(half?["provider_states"]?[1]?["taken"] == nil)
            fixture.provider.books.withLock { $0.isGone = true }
            let none = try await data("/healthz")
            #expect(none?["status"] == "degraded")
            #expect(none?["reason"] == "local does not answer; far does not answer")
            let page = String(
                decoding: await ask(fixture.routes, "GET", "/parts/overview", by: .ofAll("secret")).body, as: UTF8.self)
            #expect(page.contains("lxd, none, linux/arm64, 1 of 3 places taken"), "\(page)")
            let metrics = String(
                decoding: await ask(fixture.routes, "GET", "/metrics", by: .ofAll("secret")).body, as: UTF8.self)
            for line in [
                #"lian_provider_up{provider="far",kind="lxd"} 0"#, #"lian_provider_places_taken{provider="far"} 1"#,
                #"lian_provider_capacity{provider="far"} 3"#, #"lian_spawns_total{workspace="acme",provider="far"} 1"#,
            ] {
                #expect(metrics.contains(line), "\(line) is not in \(metrics)")
            }
        }
    }
}

/// The real program with several providers.
@Suite struct ServingSeveralTests {
    private func write(_ providers: [JSONValue], in folder: URL) throws -> [String] {
        let file = folder.appending(path: "orchestrator.json").path
        try writeFile(file, JSONValue.object(["providers": .array(providers)]).encoded())
        return ["--config", file]
    }

    /// Real runners of two providers of this machine, over a kill -9 in between.
    @Test func twoOfThisMachine() async throws {
        try await withTemporaryFolder { folder in
            let flags = try write(
                [
                    ["kind": "local", "name": "small", "engine": "buildkit", "capacity": 1],
                    ["kind": "local", "name": "large", "engine": "buildkit", "capacity": 2],
                ], in: folder)
            try await withIdleRunners(engine: "auto", flags: flags) { orchestrator, caller in
                let first = try await orchestrator.readyRunner(caller.order())
                let second = try await orchestrator.readyRunner(caller.order())
                var order = caller.order()
                order.provider = "large"
                let third = try await orchestrator.readyRunner(order)
                #expect([first, second, third].map(\.provider) == ["small", "large", "large"])
                let refused = try await orchestrator.spawn(order, key: "key-number-4")
                #expect(refused.status == 429 && refused.json["error"]?["code"] == "capacity")
                #expect(refused.headers["retry-after"] == "5", "\(refused.headers)")
                order.provider = "huge"
                let unknown = try await orchestrator.spawn(order, key: "key-number-4")
                #expect(unknown.status == 422)
                #expect(
                    unknown.json["error"]?["message"]
                        == "provider 'huge' is not served here: there is 'small' (local), 'large' (local)")

                orchestrator.kill()
                try await orchestrator.start()
                for runner in [first, second, third] {
                    #expect(try await caller.ssh(runner, "echo $LIAN_RUNNER").outputText == "\(runner.id)\n")
                }
                let overview = try await orchestrator.request("GET", "/api/v1/overview").json["data"]
                #expect(overview?["providers"]?.arrayValue?.map { $0["taken"] } == [1, 2])
                #expect(try await orchestrator.destroy(first.id).status == 200)
                #expect(try await orchestrator.readyRunner(caller.order()).provider == "small")
            }
        }
    }

    /// A cluster whose door takes connections and says nothing: what needs it is told so within the contract's 15
    /// seconds, and everything else goes on.
    @Test func oneThatHangsHoldsUpNothing() async throws {
        let listener = try LoopbackListener { descriptor, _ in
            // Until the other side has given up.
            var byte: UInt8 = 0
            while recv(descriptor, &byte, 1, 0) > 0 {}
        }
        defer { listener.stop() }
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            let stranger = try await authority.server()
            let flags = try write(
                [
                    [
                        "kind": "lxd", "name": "far", "image": "lian-runner",
                        "endpoints": [.string("https://127.0.0.1:\(listener.port)")],
                        "client_certificate": .string(stranger.certificate),
                        "client_key": ["via": "file", "path": .string(stranger.key)],
                        "server_certificate": .string(stranger.certificate),
                    ], ["kind": "local", "engine": "buildkit"],
                ], in: folder)
            try await withIdleRunners(engine: "auto", flags: flags) { orchestrator, caller in
                let slowness = try Slowness()
                // The first choice is not there.
                #expect(try await orchestrator.readyRunner(caller.order()).provider == "local")
                var order = caller.order()
                order.provider = "far"
                let wanted = order
                let start = ContinuousClock.now
                // More than any pool for other work has threads.
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<12 {
                        group.addTask {
                            let answer = try await orchestrator.spawn(wanted, key: "key-number-\(number)")
                            #expect(answer.status == 503 && answer.headers["retry-after"] == "10")
                            #expect(answer.json["error"]?["code"] == "provider_unreachable", "\(answer.json)")
                        }
                    }
                    group.addTask {
                        let runner = try await orchestrator.readyRunner(caller.order())
                        #expect(runner.provider == "local")
                    }
                    try await group.waitForAll()
                }
                let took = ContinuousClock.now - start
                #expect(took < .seconds(15) * slowness.factor(since: start))
                let health = try await orchestrator.request("GET", "/healthz").json["data"]
                #expect(health?["status"] == "ok" && health?["platforms"]?.arrayValue?.isEmpty == false)
                #expect(health?["provider_states"]?[0]?["health"] == "degraded")
                #expect(orchestrator.hasLogged("provider_missing"))
            }
        }
    }

    /// Where all are of this machine, and none can serve, nothing is served.
    @Test func noneThatCanServe() async throws {
        try await withTemporaryFolder { folder in
            let flags = try write(
                [["kind": "docker-local"], ["kind": "docker-local", "name": "other"]], in: folder)
            let ended = try await run(
                Command(
                    Project.executable("lian-orchestrator"), flags + ["--state", "\(folder.path)/s", "--log", "text"],
                    environment: ["PATH": folder.path, "DOCKER_HOST": "unix:///none"]), deadline: .seconds(120))
            #expect(ended.termination == .exited(1))
            #expect(ended.errorText.contains("docker-local: ") && ended.errorText.contains("other: "))
        }
    }
}
