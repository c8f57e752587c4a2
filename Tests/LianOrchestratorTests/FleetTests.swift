import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

@Suite struct FleetTests {
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
            #expect(fixture.fleet.runners { _ in true }.map(\.runnerID) == [id])
        }
    }

    @Test func aKeyOutlivesTheProcessAndTheRunner() async throws {
        try await withTemporaryFolder { folder in
            let first = try FleetFixture(folder)
            let id = try first.ready("key-1")
            let second = try first.killedAndStarted()
            #expect(try second.reconcile())
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
            guard case .refused(.capacity) = try fixture.spawn("key-3") else {
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
            #expect(fixture.fleet.runners { _ in true }.isEmpty)
        }
    }

    @Test func aLeaseRunsOutUnlessRenewed() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1", lease: 60)
            fixture.pass(59)
            fixture.fleet.reap()
            guard case .renewed = try fixture.fleet.heartbeat(id) else {
                Issue.record("not renewed in time")
                return
            }
            fixture.pass(59)
            fixture.fleet.reap()
            #expect(try fixture.fleet.runner(id)?.state == .ready)
            fixture.pass(1)
            guard case .gone("its lease has run out") = try fixture.fleet.heartbeat(id) else {
                Issue.record("renewed too late")
                return
            }
            fixture.fleet.reap()
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
            fixture.fleet.reap()
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
            #expect(await eventually { fixture.roster.unfinished(id)?.state == .gone })
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
            // It is not looked at before the thread that made it is through.
            let isDestroyed = await eventually {
                fixture.fleet.reap()
                return fixture.provider.books.withLock { $0.destroyed == [id] }
            }
            #expect(isDestroyed)
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
            fixture.fleet.reap()
            #expect(fixture.provider.books.withLock { $0.destroyed.isEmpty })
            fixture.pass(10)
            fixture.fleet.reap()
            #expect(await eventually { fixture.provider.books.withLock { $0.destroyed == [id] } })
        }
    }

    @Test func anotherBootLeavesNothing() async throws {
        try await withTemporaryFolder { folder in
            let first = try FleetFixture(folder)
            let id = try first.ready("key-1")
            let second = try first.killedAndStarted(boot: "boot-2")
            #expect(try second.reconcile())
            #expect(try second.fleet.runner(id) == nil)
            #expect(second.provider.books.withLock { $0.destroyed } == [id])
        }
    }

    @Test func reconcileKeepsTheLivingAndRemovesTheRest() async throws {
        try await withTemporaryFolder { folder in
            let first = try FleetFixture(folder, capacity: 10)
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
            let second = try first.killedAndStarted(capacity: 10)
            second.pass(11)
            #expect(try second.reconcile())
            let left = second.fleet.runners { _ in true }
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
            #expect(fixture.fleet.stop(destroying: true))
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

    @Test func whoeverWantsItGoneWaitsForTheSameTeardown() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1")
            fixture.provider.exit.update { $0 = false }
            let destroying = (0..<4).map { _ in
                Task { await onOwnThread { try? fixture.fleet.destroy(id, reason: "test") } }
            }
            #expect(await eventually { fixture.provider.books.withLock { $0.teardowns == 1 } })
            fixture.fleet.reap()
            fixture.provider.exit.update { $0 = true }
            for task in destroying {
                guard case .gone = await task.value else {
                    Issue.record("not gone")
                    return
                }
            }
            #expect(fixture.provider.books.withLock { $0.teardowns == 1 && $0.destroyed == [id] })
        }
    }

    @Test func aTeardownThatHangsKeepsNobody() async throws {
        try await withFleet(patience: .milliseconds(100)) { fixture in
            let id = try fixture.ready("key-1")
            fixture.provider.exit.update { $0 = false }
            guard case .failed = try fixture.fleet.destroy(id, reason: "test") else {
                Issue.record("said to be gone")
                return
            }
            #expect(!fixture.fleet.stop(destroying: true))
            #expect(fixture.provider.books.withLock { $0.teardowns == 1 })
            fixture.provider.exit.update { $0 = true }
            #expect(await eventually { fixture.provider.books.withLock { $0.destroyed == [id] } })
        }
    }

    @Test("row 78: a deletion that fails late is told and tried again") func aLateDeletion() async throws {
        try await withFleet(capacity: 1) { fixture in
            let id = try fixture.ready("key-1")
            fixture.provider.books.withLock {
                $0.deletions = [.success(.deleting), .success(.deleting), .failure(ProviderError("not permitted"))]
            }
            for _ in 0..<2 {
                guard case .gone = try fixture.fleet.destroy(id, reason: "test") else {
                    Issue.record("said to be there")
                    return
                }
            }
            #expect(fixture.roster.unfinished(id)?.isTornDown == false)
            // Files that are being deleted keep no other runner from being made.
            let other = try fixture.ready("key-2", lease: 3600, budget: 1440)
            fixture.pass(10)
            fixture.fleet.reap()
            #expect(await eventually { fixture.provider.books.withLock { $0.deletions.isEmpty } })
            #expect(fixture.provider.books.withLock { $0.destroyed.isEmpty })
            let isGone = await eventually {
                fixture.pass(10)
                _ = try? fixture.fleet.heartbeat(other)
                fixture.fleet.reap()
                return fixture.provider.books.withLock { $0.destroyed == [id] }
            }
            #expect(isGone)
            #expect(await eventually { fixture.roster.unfinished(id) == nil })
        }
    }

    @Test("row 78: a sweep waits for deletions, and says where one failed", arguments: [true, false])
    func aSweepWaitsForDeletions(succeeds: Bool) async throws {
        try await withFleet { fixture in
            fixture.provider.books.withLock { books in
                books.existing = ["r-stray"]
                books.deletions = [.success(.deleting), .success(.deleting)]
                if !succeeds { books.deletions.append(.failure(ProviderError("not permitted"))) }
            }
            let isClean = try fixture.reconcile(waitsForDeletion: true)
            #expect(isClean == succeeds)
            #expect(fixture.provider.books.withLock { $0.destroyed } == (succeeds ? ["r-stray"] : []))
        }
    }

    @Test("row 76: a runner that nobody can look at is kept") func aRunnerThatIsNotSeen() async throws {
        try await withTemporaryFolder { folder in
            let first = try FleetFixture(folder)
            let id = try first.ready("key-1")
            first.provider.books.withLock { $0.isBlind = true }
            let isLookedAt = await eventually {
                first.fleet.reap()
                return first.provider.books.withLock { $0.looks > 0 }
            }
            #expect(isLookedAt)
            #expect(try first.fleet.runner(id)?.state == .ready)
            let second = try first.killedAndStarted()
            #expect(try !second.reconcile())
            #expect(try second.fleet.runner(id)?.state == .ready)
            #expect(first.provider.books.withLock { $0.destroyed.isEmpty })
        }
    }

    @Test("row 73: a full disk: what becomes of runners is written as soon as it can be", .needsRoot)
    func whatIsWrittenLate() async throws {
        try await withTemporaryFolder { folder in
            try await withSmallDisk(at: folder.path, kilobytes: 1024) { disk in
                let first = try FleetFixture(folder)
                let living = try first.ready("key-1")
                let destroyed = try first.ready("key-2", lease: 3600)
                fill(disk)
                for _ in 0..<4 {
                    first.pass(30)
                    guard case .renewed = try first.fleet.heartbeat(living) else {
                        Issue.record("not renewed")
                        return
                    }
                }
                guard case .gone = try first.fleet.destroy(destroyed, reason: "test") else {
                    Issue.record("not gone")
                    return
                }
                #expect(try first.store.runner(destroyed)?.state != .gone)
                guard case .hindered(.diskFull) = try first.spawn("key-3") else {
                    Issue.record("not refused")
                    return
                }
                // Who keeps its runners is told that they are not recorded as they are.
                #expect(!first.fleet.stop(destroying: false))
                try FileManager.default.removeItem(atPath: "\(disk)/all")
                first.fleet.reap()
                #expect(try first.store.runner(destroyed)?.isTornDown == true)
                #expect(first.roster.unfinished.map(\.id) == [living])

                let second = try first.killedAndStarted()
                second.pass(130)
                #expect(try second.reconcile())
                #expect(try second.fleet.runner(living)?.state == .ready)
            }
        }
    }

    @Test func aClockThatIsSetForwardForgetsNoKey() async throws {
        try await withFleet { fixture in
            let id = try fixture.ready("key-1")
            _ = try fixture.fleet.destroy(id, reason: "test")
            fixture.wallClockAhead.update { $0 = 49 * 3_600_000 }
            fixture.pass(3600 - 1)
            fixture.fleet.reap()
            guard case .known = try fixture.spawn("key-1") else {
                Issue.record("forgotten")
                return
            }
            guard case .gone = try fixture.fleet.destroy(id, reason: "test") else {
                Issue.record("not remembered for an hour")
                return
            }
            fixture.pass(48 * 3600)
            fixture.fleet.reap()
            guard case .created = try fixture.spawn("key-1") else {
                Issue.record("remembered for ever")
                return
            }
        }
    }

    /// Of those of an earlier boot the wall clock tells, which may be set right only after the start.
    @Test func aKeyOfAnEarlierBootIsForgottenByTheWallClock() async throws {
        try await withTemporaryFolder { folder in
            let first = try FleetFixture(folder)
            _ = try first.fleet.destroy(try first.ready("key-1"), reason: "test")
            let second = try first.killedAndStarted(boot: "boot-2")
            second.wallClockAhead.update { $0 = 49 * 3_600_000 }
            second.fleet.reap()
            guard case .known = try second.spawn("key-1") else {
                Issue.record("forgotten at the start")
                return
            }
            second.pass(3600)
            second.fleet.reap()
            guard case .created = try second.spawn("key-1") else {
                Issue.record("remembered for ever")
                return
            }
        }
    }

    @Test func aRequestIsOnlySoLarge() async throws {
        try await withFleet { fixture in
            var request = fleetOrder()
            request.labels = ["note": String(repeating: "x", count: Fleet.requestLimit)]
            guard case .unservable(let reason) = try fixture.fleet.spawn(request, key: "key-1", by: .ofAll("secret"))
            else {
                Issue.record("served")
                return
            }
            #expect(reason.contains("shorten its labels"))
        }
    }
}

/// What the fleet does about volumes; how they are cloned and kept has tests of its own.
@Suite struct FleetVolumesTests {
    @Test func aVolumeIsLentKeptAndLentAgain() async throws {
        try await withTemporaryFolder { folder in
            let fixture = try FleetFixture(folder)
            let first = try fixture.readyWithVolume("key-1")
            #expect(first.volume?.state == .cold && first.volume?.reason == "none_yet")
            #expect(fixture.provider.books.withLock { $0.volumes[first.runnerID]?.isWarm } == false)
            let kept = try #require(try fixture.keep(first.runnerID))
            #expect(kept.kept && kept.generation == 1)
            // Asked again, it is not stopped again.
            #expect(try fixture.keep(first.runnerID, executed: 9) == kept)
            #expect(fixture.provider.books.withLock(\.enginesStopped) == [first.runnerID])
            // Three quarters of what a volume may have.
            #expect(fixture.provider.books.withLock(\.left) == [fixture.volumes.limits.each / 4 * 3])
            _ = try fixture.fleet.destroy(first.runnerID, reason: "test")
            guard case .gone = try fixture.fleet.keep(first.runnerID, KeepRequest(outcome: .succeeded, executedMS: 1))
            else {
                Issue.record("it is gone")
                return
            }
            let second = try fixture.readyWithVolume("key-2")
            #expect(second.volume?.state == .warm && second.volume?.generation == 1)
            #expect(fixture.provider.books.withLock { $0.volumes[second.runnerID]?.isWarm } == true)
            // What the answer says of it outlives the process.
            let again = try fixture.killedAndStarted()
            #expect(try again.fleet.runner(second.runnerID)?.volume == second.volume)
        }
    }

    @Test func whoAsksForNoVolumeGetsNoneAndKeepsNone() async throws {
        try await withTemporaryFolder { folder in
            let fixture = try FleetFixture(folder)
            let id = try fixture.ready("key-1")
            #expect(try fixture.fleet.runner(id)?.volume == nil)
            #expect(try fixture.keep(id) == .discarded(.notAsked))
            #expect(fixture.provider.books.withLock(\.enginesStopped).isEmpty)
            guard case .unknown = try fixture.fleet.keep("r-none", KeepRequest(outcome: .failed, executedMS: 0)) else {
                Issue.record("there is no such runner")
                return
            }
        }
    }

    @Test func anEngineThatDoesNotStopKeepsNothing() async throws {
        try await withTemporaryFolder { folder in
            let fixture = try FleetFixture(folder)
            fixture.provider.books.withLock { $0.engineEnd = .unclear("it hangs") }
            let runner = try fixture.readyWithVolume("key-1")
            let answer = try fixture.keep(runner.runnerID)
            #expect(answer == .discarded(.engineNotStopped))
            fixture.provider.books.withLock { $0.engineEnd = .clean }
            #expect(try fixture.keep(runner.runnerID) == answer)
            _ = try fixture.fleet.destroy(runner.runnerID, reason: "test")
            #expect(try fixture.readyWithVolume("key-2").volume?.reason == "none_yet")
        }
    }

    @Test func anEngineThatDoesNotStartBeginsAnewAndCold() async throws {
        try await withTemporaryFolder { folder in
            let fixture = try FleetFixture(folder)
            let first = try fixture.readyWithVolume("key-1")
            _ = try fixture.keep(first.runnerID)
            _ = try fixture.fleet.destroy(first.runnerID, reason: "test")
            fixture.provider.books.withLock { $0.findsDamage = true }
            let second = try fixture.readyWithVolume("key-2")
            #expect(second.volume?.state == .cold && second.volume?.reason == "damaged")
            #expect(fixture.provider.books.withLock { $0.volumes[second.runnerID]?.isWarm } == false)
        }
    }

    @Test func anEngineThatEndsByItselfIsNotTrustedWithItsVolume() async throws {
        try await withTemporaryFolder { folder in
            let fixture = try FleetFixture(folder)
            let first = try fixture.readyWithVolume("key-1")
            _ = try fixture.keep(first.runnerID)
            _ = try fixture.fleet.destroy(first.runnerID, reason: "test")
            let second = try fixture.readyWithVolume("key-2")
            #expect(second.volume?.state == .warm)
            fixture.provider.books.withLock { $0.engineEndByItself = "panic" }
            _ = try fixture.fleet.destroy(second.runnerID, reason: "test")
            fixture.provider.books.withLock { $0.engineEndByItself = nil }
            #expect(try fixture.readyWithVolume("key-3").volume?.reason == "damaged")
        }
    }

    /// While a volume is being kept its runner is neither removed nor does its lease run out.
    @Test func keepingHoldsTheRunner() async throws {
        try await withTemporaryFolder { folder in
            let fixture = try FleetFixture(folder)
            let runner = try fixture.readyWithVolume("key-1")
            fixture.provider.stop.update { $0 = false }
            async let first = onOwnThread { try? fixture.keep(runner.runnerID) }
            #expect(await eventually { !fixture.provider.books.withLock(\.enginesStopped).isEmpty })
            async let second = onOwnThread { try? fixture.keep(runner.runnerID) }
            fixture.pass(3600)
            fixture.fleet.reap()
            #expect(try fixture.fleet.runner(runner.runnerID)?.state == .ready)
            async let destroyed = onOwnThread { try? fixture.fleet.destroy(runner.runnerID, reason: "test") }
            #expect(await eventually { (try? fixture.fleet.runner(runner.runnerID)) == .some(nil) })
            #expect(fixture.provider.books.withLock(\.teardowns) == 0)
            fixture.provider.stop.update { $0 = true }
            let kept = await first
            #expect(kept?.kept == true)
            #expect(await second == kept)
            guard case .gone = await destroyed else {
                Issue.record("it is destroyed in the end")
                return
            }
            #expect(fixture.provider.books.withLock(\.enginesStopped).count == 1)
        }
    }

    @Test func aRunnerThatIsNotReadyHasNothingToKeep() async throws {
        try await withTemporaryFolder { folder in
            let fixture = try FleetFixture(folder)
            fixture.provider.gate.update { $0 = false }
            guard case .created(let runner) = try fixture.spawn("key-1") else { throw NotCreated() }
            guard
                case .notReady = try fixture.fleet.keep(
                    runner.runnerID, KeepRequest(outcome: .succeeded, executedMS: 1))
            else {
                Issue.record("it is not ready")
                return
            }
            fixture.provider.gate.update { $0 = true }
        }
    }
}
