import Glibc
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Rows 29 and 30: the caller ends the build, in one way or the other.
    @Suite struct SignalTests {
        /// It hears none of the signals that end a build in order.
        private static let deafEngine = "trap '' TERM INT HUP; echo '#1 0.1 begun'; sleep 600 & wait; wait; succeed"

        @Test("row 29: ended in mid-build", arguments: [SIGINT, SIGTERM, SIGHUP]) func once(signal: Int32) async throws
        {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(Self.deafEngine)
                let running = try scene.start()
                try await running.says(" begun\n")
                running.signal(signal)
                let build = try await scene.finish(running)
                expectCancelled(build, by: signal)
                #expect(build["error"]["phase"] == "build" && build.isRunnerDestroyed == true)
                let events = try await scene.published()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "failed"])
                #expect(events.last?.json?["data"]?["status"] == "cancelled")
            }
        }

        /// The second signal waits for no one: an orchestrator that does not answer costs two seconds.
        @Test("row 29: ended twice, the second time past an orchestrator that says nothing") func twice() async throws {
            try await withRunner { scene, runner, _ in
                scene.allow {
                    $0.leftToTheirLease = 1
                    $0.endsWithItsMachine = true
                }
                try runner.setEngine(Self.deafEngine)
                scene.orchestrator.script(.destroy, [.fault(.hang)])
                let running = try scene.start()
                try await running.says(" begun\n")
                running.signal(SIGINT)
                // Two that come at once are one to the kernel.
                try await running.says("SIGINT: ending the build")
                let start = ContinuousClock.now
                running.signal(SIGINT)
                let build = try await scene.finish(running)
                // The first one alone would wait for half a minute.
                #expect(ContinuousClock.now - start < .seconds(25))
                #expect(build.status == 130 && build["status"] == "cancelled", "\(build.story)")
                #expect(build.isRunnerDestroyed == false && build.warningCodes.contains("runner_not_destroyed"))
                #expect(build.runnerID == scene.orchestrator.runners.first?.id)
            }
        }

        @Test("row 29: a real build is ended in mid-step", .realEngine) func real() async throws {
            try await withRealScene { scene, front in
                let marker = "86399.\(Int.random(in: 1000...9999))"
                let running = try scene.start(
                    front, step: "echo begun; trap '' TERM INT; exec busybox sleep \(marker)")
                try await running.says(" begun\n")
                #expect(!processes(holding: marker).isEmpty)
                running.signal(SIGINT)
                let build = try await running.finished()
                expectCancelled(build, by: SIGINT)
                #expect(build["error"]["phase"] == "build" && build.isRunnerDestroyed == true)
                #expect(processes(holding: marker) == [])
                #expect(try await scene.events().last?.json?["data"]?["status"] == "cancelled")
            }
        }

        private func expectCancelled(_ build: FinishedBuild, by signal: Int32) {
            #expect(build.status == 128 + signal, "\(build.story)")
            #expect(build["status"] == "cancelled" && build.errorCode == "cancelled")
            #expect(!build.hint.isEmpty)
            #expect(build.attempts.map { $0["outcome"] } == ["cancelled"])
            #expect(build.artifact["status"] == "cancelled" && build.digest == nil)
        }

        @Test("row 30: kill -9, and the lease reaps", .realEngine) func killed() async throws {
            try await withRealScene(waiting: true) { scene, front in
                front.setLease(BuildScene.shortLease, of: scene.workspace)
                let marker = "86399.\(Int.random(in: 1000...9999))"
                let running = try scene.start(front, step: "echo begun; exec busybox sleep \(marker)")
                try await running.says(" begun\n")
                running.kill()
                #expect(running.output.isEmpty)
                #expect(try await eventually { try scene.orchestrator.remains().isEmpty })
                #expect(try await scene.orchestrator.runners() == [])
                #expect(processes(holding: marker) == [])
                try scene.clearAwayAfterKill()
            }
        }

        /// Where no orchestrator reaps: after a minute without a client the run ends by itself, its secrets too.
        @Test("row 30: kill -9, and nobody comes back") func forsaken() async throws {
            try await withRunner(waiting: true) { scene, runner, _ in
                scene.allow {
                    $0.callerIsKilled = true
                    $0.leftToTheirLease = 1
                }
                try runner.setEngine(Self.deafEngine)
                let running = try scene.start()
                try await running.says(" begun\n")
                #expect(!runner.remains().isEmpty)
                running.kill()
                #expect(await eventually { runner.remains().isEmpty })
            }
        }
    }
}
