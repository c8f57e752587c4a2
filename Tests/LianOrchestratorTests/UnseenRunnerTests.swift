import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The orchestrator cannot look: that says nothing of the runner.
@Suite(.needsRoot) struct UnseenRunnerTests {
    /// How many descriptors the orchestrator may have open from now on; below what it has, every open(2) fails.
    private func limitDescriptors(of orchestrator: Orchestrator, to count: Int) async throws {
        let pid = try #require(orchestrator.pid)
        let limited = try await run(
            Command("/usr/bin/prlimit", ["--pid", "\(pid)", "--nofile=\(count):"], environment: [:]),
            deadline: .seconds(30))
        try #require(limited.termination == .exited(0), "\(limited.errorText)")
    }

    @Test("row 76: the orchestrator has no descriptor left to look with: a living runner is not taken for dead")
    func aLivingRunner() async throws {
        try await withIdleRunners { orchestrator, caller in
            let runner = try await orchestrator.readyRunner(caller.order())
            try await limitDescriptors(of: orchestrator, to: 3)
            _ = await eventually { orchestrator.hasLogged("runner_unseen") || orchestrator.hasLogged("runner_lost") }
            try await limitDescriptors(of: orchestrator, to: 1024)
            #expect(!orchestrator.hasLogged("runner_lost"))
            #expect(try await orchestrator.state(of: runner.id) == .ready)
            #expect(try await caller.ssh(runner, "echo here").outputText == "here\n")
        }
    }

    @Test("row 76: the orchestrator has no descriptor left to look with: nothing is called gone that is not")
    func aRunnerToRemove() async throws {
        try await withIdleRunners { orchestrator, caller in
            let (runner, _, _) = try await orchestrator.forsakenRunner(of: caller)
            try await limitDescriptors(of: orchestrator, to: 3)
            #expect(await eventually { orchestrator.hasLogged("teardown_failed") })
            try await limitDescriptors(of: orchestrator, to: 1024)
            #expect(try await eventually { try orchestrator.remains().isEmpty }, "\(orchestrator.log)")
            #expect(try await orchestrator.state(of: runner.id) == nil)
        }
    }
}
