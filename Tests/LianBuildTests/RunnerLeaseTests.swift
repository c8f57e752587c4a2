import LianHTTP
import LianModel
import LianOrchestratorClient
import LianTestSupport
import Testing

@testable import LianBuild

@Suite struct RunnerLeaseTests {
    private struct Silence: BuildReporter {
        func report(_ event: ProgressEvent) {}
    }

    private func withLease(
        _ body: (RunnerLease, ScriptedOrchestrator, BuildJournal) async throws -> Void
    ) async throws {
        let machine = ScriptedOrchestrator.Machine(port: 22, user: "builder", hostKeys: [], workDir: "/work")
        let orchestrator = try ScriptedOrchestrator(token: "t0ken", machine: machine)
        defer { orchestrator.stop() }
        let request = SpawnRequest(
            workspace: "acme", buildID: "b-1", attempt: 1, size: WireSize(tier: "cx22", cpu: 2, memoryMB: 4096),
            timeBudgetMinutes: 30, leaseSeconds: 90, sshPublicKey: "ssh-ed25519 AAAA")
        let client = try OrchestratorClient(
            server: HTTPURL(orchestrator.url), token: orchestrator.token, http: HTTPClient())
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
