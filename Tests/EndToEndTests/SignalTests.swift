import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// Signals, with a real engine at work. CancelTests have every phase.
    @Suite struct SignalTests {
        private func expectCancelled(_ build: FinishedBuild, _ signal: Int32) {
            #expect(build.status == 128 + signal, "\(build.story)")
            #expect(build["status"] == "cancelled" && build.errorCode == "cancelled")
            #expect(!build.hint.isEmpty)
            #expect(build.attempts.map { $0["outcome"] } == ["cancelled"])
            #expect(build.artifact["status"] == "cancelled" && build.digest == nil)
        }

        @Test func whileAStepRuns() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo begun; trap '' TERM INT; busybox sleep 600\n")
                let running = try scene.start(scene.flags(context))
                try await running.says(" begun\n")
                running.signal(SIGINT)
                let build = try await running.finished()
                expectCancelled(build, SIGINT)
                #expect(build["error"]["phase"] == "build" && build.isRunnerDestroyed == true)
                #expect(build["timings_ms"]["teardown"]?.intValue ?? .max < 10_000, "\(build.story)")
                let events = try await scene.events()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "failed"])
                #expect(events.last?.json?["data"]?["status"] == "cancelled")
            }
        }

        /// The second signal waits for no one: an orchestrator that does not answer costs two seconds.
        @Test func twice() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo begun; busybox sleep 600\n")
                let running = try scene.start(scene.flags(context))
                try await running.says(" begun\n")
                scene.orchestrator.pause()
                defer { scene.orchestrator.goOn() }
                let start = ContinuousClock.now
                running.signal(SIGINT)
                // Two that come at once are one to the kernel.
                try await running.says("SIGINT: ending the build")
                running.signal(SIGINT)
                let build = try await running.finished()
                #expect(ContinuousClock.now - start < .seconds(4))
                #expect(build.status == 130 && build["status"] == "cancelled", "\(build.story)")
                #expect(build.isRunnerDestroyed == false && build.warningCodes.contains("runner_not_destroyed"))
                scene.orchestrator.goOn()
                try await scene.orchestrator.destroy(build.runnerID ?? "")
            }
        }
    }
}
