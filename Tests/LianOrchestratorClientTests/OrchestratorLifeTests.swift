import LianModel
import LianOrchestratorClient
import LianSystem
import LianTestSupport
import Synchronization
import Testing

/// A runner's life after the spawn: waiting, heartbeats, the end, and what is told about it.
@Suite struct OrchestratorLifeTests {
    private let route = "/api/v1/runners/r-1"

    private func spawned() -> RunnerAnswer {
        RunnerAnswer(runnerID: "r-1", state: .pending, workspace: "acme")
    }

    @Test func longPollsUntilReady() async throws {
        try await withOrchestrator { server, client, time in
            server.on(
                "GET", route,
                [
                    .success(200, pendingRunner), .failure(503, code: "busy", message: "busy"), .reset,
                    .success(200, runnerData(["port": nil, "work_dir": nil])),
                ])
            let runner = try await client.waitUntilReady(spawned(), until: time.timing.now() + .seconds(100))
            #expect(runner.id == "r-1")
            #expect(runner.host == "127.0.0.1")
            #expect(runner.port == 22)
            #expect(runner.user == "builder")
            #expect(runner.workDir == "/build")
            #expect(runner.hostKeys.map(\.algorithm) == ["ssh-ed25519"])
            #expect(runner.size == WireSize(tier: "cx22", cpu: 2, memoryMB: 4096))
            #expect(server.requests().allSatisfy { $0.query == "wait=30" })
        }
    }

    @Test func aRunnerNeverReadyEndsAtTheDeadline() async throws {
        try await withOrchestrator { server, client, time in
            server.on("GET", route, [.success(200, pendingRunner)])
            let error = await #expect(throws: LianError.self) {
                try await client.waitUntilReady(spawned(), until: time.timing.now() + .seconds(60))
            }
            #expect(error?.code == .runnerNotReady)
            #expect(error?.hint.contains("--spawn-timeout") == true)
            // A server that does not wait is not asked in a spin.
            #expect((30...60).contains(server.requests().count))
        }
    }

    @Test func aWaitThatTheDeadlineCutsIsNotReady() async throws {
        try await withOrchestratorInRealTime { server, client in
            server.on("GET", route, [.hang])
            let error = await #expect(throws: LianError.self) {
                try await client.waitUntilReady(spawned(), until: .now + .milliseconds(200))
            }
            #expect(error?.code == .runnerNotReady)
        }
    }

    @Test func aRunnerThatFailsTellsItsReason() async throws {
        try await withOrchestrator { server, client, time in
            server.on("GET", route, [.success(200, runnerData(["state": "failed", "reason": "no image\nthere"]))])
            let error = await #expect(throws: LianError.self) {
                try await client.waitUntilReady(spawned(), until: time.timing.now() + .seconds(60))
            }
            #expect(error?.code == .runnerFailed)
            #expect(error?.message == "the runner r-1 failed: no image there")
        }
    }

    /// A provider learns only while it makes a runner that there is no room for it.
    @Test func aRunnerWithoutAPlaceIsToldAsNoCapacity() async throws {
        try await withOrchestrator { server, client, time in
            let data = runnerData(["state": "failed", "reason": "no_capacity: no member has 4096 MB left"])
            server.on("GET", route, [.success(200, data)])
            let error = await #expect(throws: LianError.self) {
                try await client.waitUntilReady(spawned(), until: time.timing.now() + .seconds(60))
            }
            #expect(error?.code == .noCapacity)
            #expect(error?.message == "there is no room for the runner r-1: no member has 4096 MB left")
        }
    }

    @Test func aRunnerThatIsGoneIsAFailure() async throws {
        try await withOrchestrator { server, client, time in
            server.on("GET", route, [.failure(404, code: "not_found", message: "no")])
            let error = await #expect(throws: LianError.self) {
                try await client.waitUntilReady(spawned(), until: time.timing.now() + .seconds(60))
            }
            #expect(error?.code == .runnerFailed)
            var gone = spawned()
            gone.state = .gone
            let again = await #expect(throws: LianError.self) {
                try await client.waitUntilReady(gone, until: time.timing.now() + .seconds(60))
            }
            #expect(again?.code == .runnerFailed)
        }
    }

    @Test(arguments: ["host", "user"])
    func readyWithoutAnAddressIsInvalid(field: String) async throws {
        try await withOrchestrator { server, client, time in
            server.on("GET", route, [.success(200, runnerData([field: nil]))])
            let error = await #expect(throws: LianError.self) {
                try await client.waitUntilReady(spawned(), until: time.timing.now() + .seconds(60))
            }
            #expect(error?.code == .orchestratorAnswerInvalid)
            #expect(error?.message.contains("data.\(field): is required of a runner that is ready") == true)
        }
    }

    @Test func anotherRunnersAnswerIsInvalid() async throws {
        try await withOrchestrator { server, client, time in
            server.on("GET", route, [.success(200, runnerData(["runner_id": "r-2"]))])
            let error = await #expect(throws: LianError.self) {
                try await client.waitUntilReady(spawned(), until: time.timing.now() + .seconds(60))
            }
            #expect(error?.code == .orchestratorAnswerInvalid)
        }
    }

    @Test func cancellingEndsTheWaitAtOnce() async throws {
        try await withOrchestrator { server, client, time in
            server.on("GET", route, [.hang])
            let deadline = time.timing.now() + .seconds(60)
            let task = Task { try await client.waitUntilReady(spawned(), until: deadline) }
            #expect(await eventually { server.requests().count == 1 })
            let start = ContinuousClock.now
            task.cancel()
            let error = await #expect(throws: LianError.self) { try await task.value }
            #expect(error?.code == .cancelled)
            #expect(ContinuousClock.now - start < .seconds(50))
        }
    }

    // MARK: Heartbeats

    /// The events of a lease kept until it ends by itself, with the pauses before each beat.
    private func events(
        _ beats: [ScriptedHTTPServer.Reply], get: [ScriptedHTTPServer.Reply] = [.success(200, runnerData())]
    ) async throws -> (events: [HeartbeatEvent], beats: Int, time: SkippedTime) {
        try await withOrchestrator { server, client, time in
            server.on("POST", "\(route)/heartbeat", beats)
            server.on("GET", route, get)
            let events = Mutex<[HeartbeatEvent]>([])
            await client.keepAlive("r-1", leaseSeconds: 90) { event in events.withLock { $0.append(event) } }
            return (events.withLock { $0 }, server.requests("POST").count, time)
        }
    }

    @Test func beatsComeAtAThirdOfTheLease() async throws {
        let (events, beats, time) = try await events([
            .success(200, runnerData()), .success(200, runnerData()),
            .failure(410, code: "gone", message: "lifetime over"),
        ])
        #expect(events == [.gone("answered 410 (gone: lifetime over)")])
        #expect(beats == 3)
        #expect(time.sleeps == [.seconds(30), .seconds(30), .seconds(30)])
    }

    @Test func orchestratorsWithoutHeartbeatsAreToldOnce() async throws {
        let (events, beats, _) = try await events([.failure(404, code: "not_found", message: "what?")])
        #expect(events == [.unsupported])
        #expect(beats == 1)
    }

    @Test func aRunnerNoLongerKnownIsGone() async throws {
        let no = ScriptedHTTPServer.Reply.failure(404, code: "not_found", message: "what?")
        let (events, _, _) = try await events([no], get: [no])
        #expect(events == [.gone("it is no longer known")])
    }

    @Test func aRunnerThatEndedIsGone() async throws {
        let (events, _, _) = try await events([.success(200, runnerData(["state": "gone", "reason": "lease over"]))])
        #expect(events == [.gone("lease over")])
    }

    /// Whichever way the heartbeat is answered then.
    @Test func aRunnerThatEndedByItselfIsToldApart() async throws {
        let failed = ScriptedHTTPServer.Reply.success(200, runnerData(["state": "failed", "reason": "disk died"]))
        let gone = ScriptedHTTPServer.Reply.failure(410, code: "gone", message: "runner 'r-1' is gone: disk died")
        let unknown = ScriptedHTTPServer.Reply.failure(404, code: "not_found", message: "what?")
        for beat in [failed, gone, unknown] {
            #expect(try await events([beat], get: [failed]).events == [.failed("disk died")])
        }
    }

    @Test func missedBeatsAreToldOnceForEachRow() async throws {
        let bad = ScriptedHTTPServer.Reply.answer(500)
        let (events, beats, _) = try await events([
            bad, bad, .success(200, runnerData()), bad, .answer(410),
        ])
        #expect(beats == 5)
        #expect(events.count == 3)
        #expect(events.last == .gone("answered 410"))
        for event in events.dropLast() {
            guard case .missed(let error) = event else {
                Issue.record("\(event)")
                continue
            }
            #expect(error.message.contains("answered 500"))
        }
    }

    @Test func cancellingEndsTheBeats() async throws {
        try await withOrchestratorInRealTime { server, client in
            server.on("POST", "\(route)/heartbeat", [.hang])
            for lease in [1, 3600] {
                let task = Task { await client.keepAlive("r-1", leaseSeconds: lease) { _ in } }
                #expect(await eventually { lease > 1 || server.requests().count == 1 })
                task.cancel()
                // It would take 20 minutes to its next beat.
                await task.value
            }
        }
    }

    // MARK: The end

    private func destroyed(_ replies: [ScriptedHTTPServer.Reply]) async throws
        -> (outcome: DestroyOutcome, asked: Int, time: SkippedTime)
    {
        try await withOrchestrator { server, client, time in
            server.on("DELETE", route, replies)
            let outcome = await client.destroy("r-1")
            return (outcome, server.requests("DELETE").count, time)
        }
    }

    @Test func destroyIsRetriedUntilTheRunnerIsGone() async throws {
        let gone = ScriptedHTTPServer.Reply.success(200, runnerData(["state": "gone"]))
        let missing = ScriptedHTTPServer.Reply.failure(404, code: "not_found", message: "no")
        for replies in [[gone], [.answer(500), .answer(500), missing], [.reset, .answer(503), gone], [.answer(410)]] {
            let (outcome, asked, _) = try await destroyed(replies)
            #expect(outcome == .gone)
            #expect(asked == replies.count)
        }
    }

    @Test func whatIsNotConfirmedIsSaid() async throws {
        let (forever, asked, time) = try await destroyed([.answer(500)])
        guard case .unconfirmed(let text) = forever else { throw Unexpected() }
        #expect(text.contains("answered 500"))
        #expect(asked > 5)
        #expect(time.sleeps.reduce(.zero, +) <= .seconds(30))

        let (refused, once, _) = try await destroyed([.answer(401)])
        guard case .unconfirmed = refused else { throw Unexpected() }
        #expect(once == 1)

        let (pending, _, _) = try await destroyed([.success(200, pendingRunner)])
        #expect(pending == .unconfirmed("the orchestrator calls it pending after destroying it"))

        try await withOrchestratorInRealTime { server, client in
            server.on("DELETE", route, [.hang])
            guard case .unconfirmed = await client.destroy("r-1", within: .milliseconds(100)) else {
                throw Unexpected()
            }
        }
    }

    @Test func destroyIsNotCancelledWithItsTask() async throws {
        try await withOrchestrator { server, client, _ in
            server.on("DELETE", route, [.answer(503), .success(200, runnerData(["state": "gone"]))])
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return await client.destroy("r-1")
            }
            #expect(await task.value == .gone)
        }
    }

    // MARK: What builds used

    @Test func usageHistoryIsReadWhereItIsServed() async throws {
        try await withOrchestrator { server, client, _ in
            let path = "/api/v1/workspaces/acme/p95"
            server.on(
                "GET", path,
                [
                    .success(200, ["workspace": "acme", "samples": 3, "cpu_p95": 1.5, "memory_mb_p95": 900]),
                    .failure(404, code: "not_found", message: "no"),
                    .success(200, ["workspace": "acme", "samples": -1]),
                ])
            let history = UsageHistory(workspace: "acme", samples: 3, cpuP95: 1.5, memoryMBP95: 900)
            let served = try await client.usageHistory(workspace: "acme", within: .seconds(60))
            #expect(served == .served(history))
            let missing = try await client.usageHistory(workspace: "acme", within: .seconds(60))
            #expect(missing == .notServed)
            let error = await #expect(throws: LianError.self) {
                try await client.usageHistory(workspace: "acme", within: .seconds(60))
            }
            #expect(error?.message.contains("data.samples") == true)
        }
    }

    @Test func usageHistoryKeepsToItsBudget() async throws {
        try await withOrchestratorInRealTime { server, client in
            server.on("GET", "/api/v1/workspaces/acme/p95", [.hang])
            let start = ContinuousClock.now
            let error = await #expect(throws: LianError.self) {
                try await client.usageHistory(workspace: "acme", within: .milliseconds(200))
            }
            #expect(error?.code == .orchestratorUnreachable)
            #expect(ContinuousClock.now - start < .seconds(25))
        }
    }

    @Test func metricsAreTold() async throws {
        let metrics = MetricsReport(
            buildID: "b-1", attempt: 1, runnerID: "r-1", tier: "cx22", outcome: .succeeded, cpuPeak: 1.5,
            memoryMBPeak: nil, durationSeconds: 2.5)
        try await withOrchestrator { server, client, _ in
            let path = "/api/v1/workspaces/acme/metrics"
            server.on(
                "POST", path,
                [
                    .answer(503), .json(202, ["success": true]), .failure(404, code: "not_found", message: "no"),
                    .failure(400, code: "invalid_request", message: "no"),
                ])
            let kept = try await client.record(metrics, workspace: "acme", within: .seconds(60))
            #expect(kept == .served(true))
            #expect(server.requests().last?.json == metrics.json)
            let missing = try await client.record(metrics, workspace: "acme", within: .seconds(60))
            #expect(missing == .notServed)
            let error = await #expect(throws: LianError.self) {
                try await client.record(metrics, workspace: "acme", within: .seconds(60))
            }
            #expect(error?.message.contains("answered 400") == true)
        }
    }

    @Test func healthIsRead() async throws {
        try await withOrchestrator { server, client, _ in
            server.on(
                "GET", "/healthz",
                [
                    .success(200, ["status": "ok", "version": "1.2", "engine": "buildkit", "reason": nil]),
                    .success(200, ["status": "degraded", "version": "1.2", "reason": "no sshd"]),
                    .success(200, ["status": "fine", "version": "1.2"]),
                ])
            let health = try await client.health(within: .seconds(60))
            #expect(health == OrchestratorHealth(version: "1.2", provider: nil, engine: "buildkit"))
            let degraded = try await client.health(within: .seconds(60))
            #expect(degraded.problem == "no sshd")
            let error = await #expect(throws: LianError.self) { try await client.health(within: .seconds(60)) }
            #expect(error?.code == .orchestratorAnswerInvalid)
        }
    }
}

private struct Unexpected: Error {}
