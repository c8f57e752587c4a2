import Glibc
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 72: the build is ended twice, wherever it is, and no runner stays.
    @Suite struct HurryTests {
        /// Both at once: two of a kind would be one to the kernel.
        private func endTwice(_ running: RunningBuild) {
            running.signal(SIGINT)
            running.signal(SIGTERM)
        }

        private func expectEnded(_ build: FinishedBuild) {
            #expect([130, 143].contains(build.status) && build["status"] == "cancelled", "\(build.story)")
            #expect(build.errorCode == "cancelled" && !build.warningCodes.contains("runner_not_destroyed"))
        }

        @Test("row 72: ended twice while the answer to the spawn is on its way", arguments: 0..<5)
        func inTheSpawn(_: Int) async throws {
            try await withRunner { scene, _, _ in
                // The runner is there, and nobody was told of it yet.
                scene.orchestrator.script(.spawn, [.late(.milliseconds(900))])
                let running = try scene.start()
                try #require(await eventually { scene.orchestrator.liveRunners.count == 1 }, "\(running.errorText)")
                endTwice(running)
                let build = try await scene.finish(running)
                expectEnded(build)
                #expect(build.isRunnerDestroyed == true && build.runnerID == "r-1")
                #expect(Set(scene.orchestrator.spawnKeys).count == 1)
            }
        }

        @Test("row 72: ended twice before anything was asked for") func inTheResolve() async throws {
            try await withRunner { scene, _, _ in
                scene.orchestrator.script(.p95, [.fault(.hang)])
                let running = try scene.start()
                try #require(await eventually { !scene.orchestrator.requests(.p95).isEmpty }, "\(running.errorText)")
                endTwice(running)
                let build = try await scene.finish(running)
                expectEnded(build)
                #expect(build["runner"] == .null && scene.orchestrator.requests(.spawn).isEmpty)
            }
        }

        @Test(
            "row 72: ended twice while the runner is destroyed, at the end or before another attempt",
            arguments: ["succeed", "echo 'exit code: 137' >&2; exit 1"])
        func inTheTeardown(end: String) async throws {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(end)
                scene.orchestrator.script(.destroy, [.late(.milliseconds(900))])
                let running = try scene.start()
                try #require(
                    await eventually { !scene.orchestrator.requests(.destroy).isEmpty }, "\(running.errorText)")
                endTwice(running)
                let build = try await scene.finish(running)
                if end == "succeed" {
                    #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                } else {
                    expectEnded(build)
                }
                #expect(build.isRunnerDestroyed == true && scene.orchestrator.requests(.spawn).count == 1)
            }
        }

        @Test("row 72: ended once more when the runner is gone and history does not answer") func afterTheTeardown()
            async throws
        {
            try await withRunner { scene, _, _ in
                scene.orchestrator.script(.metrics, [.fault(.hang)])
                // Once it is gone, the orchestrator is.
                scene.orchestrator.script(.destroy, [.honest, .fault(.hang)])
                let running = try scene.start()
                try #require(await eventually { !scene.orchestrator.requests(.metrics).isEmpty })
                try await running.says("is gone")
                endTwice(running)
                let build = try await scene.finish(running)
                #expect(build.status == 0 && build.isRunnerDestroyed == true, "\(build.story)")
                #expect(!build.warningCodes.contains("runner_not_destroyed"))
            }
        }
    }
}
