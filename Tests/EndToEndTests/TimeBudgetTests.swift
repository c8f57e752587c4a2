import Foundation
import LianModel
import LianTestSupport
import Testing

/// The smallest budget is a minute, and a test of it takes as long: beside the others, on a stage of its own.
@Suite(
    .staged,
    .enabled("a Docker engine can be started: root, dockerd and a client") { await DockerEngine.missing() == nil },
    .enabled(if: NATSServer.executable != nil, "there is no nats-server"))
struct TimeBudgetTests {
    @Test func aBuildOverItsBudgetIsEnded() async throws {
        try await withScene { scene in
            let marker = "86399.\(Int.random(in: 1000...9999))"
            let context = try scene.context(Scene.shell + "RUN echo begun; exec busybox sleep \(marker)\n")
            let running = try scene.start(scene.flags(context) + ["--time-budget", "1"])
            try await running.says(" begun\n")
            #expect(!processes(holding: marker).isEmpty)
            let build = try await running.finished()
            #expect(build.status == 6 && build["status"] == "timed_out", "\(build.story)")
            #expect(build.errorCode == "time_budget_exceeded")
            #expect(build.attempts.map { $0["outcome"] } == ["timed_out"])
            let duration = build.attempts[0]["duration_ms"]?.intValue ?? 0
            #expect((60_000..<70_000).contains(duration), "\(duration)")
            #expect(build.isRunnerDestroyed == true)
            #expect(processes(holding: marker) == [])
            let events = try await scene.events()
            #expect(events.last?.json?["data"]?["status"] == "timed_out")
        }
    }
}
