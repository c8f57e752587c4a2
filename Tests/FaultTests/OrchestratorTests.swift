import Glibc
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 37: the reference orchestrator is killed and started again in the middle of builds.
    @Suite(.realEngine) struct OrchestratorTests {
        @Test("row 37: killed in mid-build, the build goes on") func midBuild() async throws {
            try await withRealScene { scene, front in
                let gate = try StepGate()
                let running = try scene.start(front, step: "echo begun; \(gate.waiting); echo over")
                try await running.says(" begun\n")
                scene.orchestrator.kill()
                try await scene.orchestrator.start()
                #expect(try await scene.orchestrator.runners() == front.runners.map(\.id))
                gate.open()
                let build = try await running.finished()
                #expect(build.status == 0, "\(build.story)")
                #expect(build.digest != nil)
                #expect(build.digest == (try await scene.pushedDigest()))
                #expect(build.isRunnerDestroyed == true && front.runners.count == 1)
            }
        }

        /// It comes back only when the build is through: the destroy waits for it.
        @Test("row 37: killed before the destroy, and back within its time") func beforeDestroy() async throws {
            try await withRealScene { scene, front in
                let gate = try StepGate()
                let running = try scene.start(front, step: "echo begun; \(gate.waiting); echo over")
                try await running.says(" begun\n")
                scene.orchestrator.kill()
                gate.open()
                // The first one was answered by nobody.
                #expect(await eventually { front.requests(.destroy).count > 1 })
                try await scene.orchestrator.start()
                let build = try await running.finished()
                #expect(build.status == 0 && build.isRunnerDestroyed == true, "\(build.story)")
            }
        }

        @Test("row 37: killed with its caller, and the lease goes on") func withItsCaller() async throws {
            try await withRealScene(waiting: true) { scene, front in
                front.setLease(BuildScene.shortLease, of: scene.workspace)
                let marker = "86399.\(Int.random(in: 1000...9999))"
                let running = try scene.start(front, step: "echo begun; exec busybox sleep \(marker)")
                try await running.says(" begun\n")
                scene.orchestrator.kill()
                running.kill()
                #expect(!processes(holding: marker).isEmpty)
                try await scene.orchestrator.start()
                #expect(try await eventually { try scene.orchestrator.remains().isEmpty })
                #expect(try await scene.orchestrator.runners() == [])
                #expect(processes(holding: marker) == [])
                try scene.clearAwayAfterKill()
            }
        }

        @Test("row 37: killed while a runner is made") func midSpawn() async throws {
            try await withRealScene { scene, front in
                // Whatever it was doing when it was killed, the build and the next orchestrator agree on it.
                let running = try scene.start(front, step: "echo begun")
                try await running.says("spawn: asking for a runner")
                #expect(await eventually { !front.requests(.spawn).isEmpty })
                scene.orchestrator.kill()
                try await scene.orchestrator.start()
                let build = try await running.finished()
                #expect([0, 3].contains(build.status), "\(build.story)")
                #expect(build.isRunnerDestroyed != false, "\(build.story)")
            }
        }
    }
}
