import LianHTTP
import LianModel
import LianOrchestratorClient
import LianSystem
import LianTestSupport
import Testing

@testable import LianBuild

@Suite struct RunnerLeaseTests {
    private struct Silence: BuildReporter {
        func report(_ event: ProgressEvent) {}
    }

    private func withLease(
        timing: Timing = .system, _ body: (RunnerLease, ScriptedOrchestrator, BuildJournal) async throws -> Void
    ) async throws {
        let machine = ScriptedOrchestrator.Machine(port: 22, user: "builder", hostKeys: [], workDir: "/work")
        let orchestrator = try ScriptedOrchestrator(token: "t0ken", machine: machine)
        defer { orchestrator.stop() }
        let request = SpawnRequest(
            workspace: "acme", buildID: "b-1", attempt: 1, size: WireSize(tier: "cx22", cpu: 2, memoryMB: 4096),
            timeBudgetMinutes: 30, leaseSeconds: 90, sshPublicKey: "ssh-ed25519 AAAA")
        let client = try OrchestratorClient(
            server: HTTPURL(orchestrator.url), token: orchestrator.token, http: HTTPClient(), timing: timing)
        let journal = BuildJournal(Silence())
        try await body(RunnerLease(request, client: client, journal: journal), orchestrator, journal)
    }

    @Test func aRunnerWhoseSpawnIsStillBeingAnsweredIsDestroyed() async throws {
        try await withLease { lease, orchestrator, journal in
            orchestrator.script(.spawn, [.lost(.hang), .honest])
            let spawning = Task { try await lease.spawn(until: .now + .seconds(60)) }
            #expect(await eventually { orchestrator.liveRunners == ["r-1"] })
            let result = await lease.destroy()
            #expect(result?.id == "r-1" && result?.destroyed == true)
            #expect(orchestrator.runners.count == 1 && orchestrator.liveRunners == [])
            spawning.cancel()
            await #expect(throws: LianError.self) { try await spawning.value }

            // What is known to be gone is not asked for once more.
            orchestrator.script(.destroy, [.fault(.hang)])
            #expect(await lease.destroy(within: .milliseconds(500)) == result)
            #expect(journal.envelope.warnings == [])
        }
    }

    /// Row 40: whether its own machine has ended the runner or the orchestrator has is not the same fault. It says so to
    /// a heartbeat, which may come before the connection is given up or after that.
    @Test(arguments: [true, false])
    func aRunnerThatDiesIsALostConnection(byItself: Bool) async throws {
        try await withLease(timing: SkippedTime().timing) { lease, orchestrator, _ in
            let end: JSONValue = [
                "runner_id": "r-1", "workspace": "acme", "state": byItself ? "failed" : "gone",
                "reason": "its member c2 does not answer",
            ]
            orchestrator.script(.heartbeat, [.fault(.failure(410, code: "gone", message: "runner 'r-1' is gone: so"))])
            orchestrator.script(.poll, [.fault(.success(200, end))])
            try await lease.spawn(until: .now + .seconds(60))
            let error = await #expect(throws: LianError.self) { try await lease.watchForLoss() }
            #expect(error?.code == (byItself ? .connectionLost : .runnerFailed))
            #expect(error?.code.exitStatus == (byItself ? 4 : 3))
            #expect(error?.message.contains("its member c2 does not answer") == byItself)

            let lost = LianError(.connectionLost, .build, "the connection to the runner was lost", hint: "h")
            let told = await lease.explained(lost)
            #expect(byItself ? told == error : told == lost)
            let full = LianError(.diskFull, .build, "the disk is full", hint: "h")
            #expect(await lease.explained(full) == full)
        }
    }
    /// An orchestrator that does not run ends nothing, so the lease alone is no promise.
    @Test func itIsSaidWhoEndsARunnerThatWasNotDestroyed() async throws {
        try await withLease { lease, orchestrator, journal in
            try await lease.spawn(until: .now + .seconds(60))
            orchestrator.script(.destroy, [.fault(.failure(403, code: "forbidden", message: "no"))])
            #expect(await lease.destroy()?.destroyed == false)
            let warning = try #require(journal.envelope.warnings.first)
            #expect(warning.code == .runnerNotDestroyed && warning.message.contains("r-1"))
            #expect(warning.message.contains("within 90 s, or once it runs again"), "\(warning.message)")
        }
    }

    @Test func noneIsAskedForOnceTheBuildIsEnded() async throws {
        try await withLease { lease, orchestrator, _ in
            let spawning = Task {
                try? await Task.sleep(for: .seconds(600))
                try await lease.spawn(until: .now + .seconds(60))
            }
            spawning.cancel()
            await #expect(throws: CancellationError.self) { try await spawning.value }
            #expect(await lease.destroy() == nil)
            #expect(orchestrator.requests(.spawn).isEmpty)
        }
    }
}
