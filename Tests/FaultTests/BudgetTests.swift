import Foundation
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 36: the time budget runs out. The smallest one is a minute: all of them wait side by side.
    @Suite struct BudgetTests {
        enum Place: String, CaseIterable {
            case spawn, lostSpawn, boot, connect, sync, step, push

            var phase: JSONValue {
                switch self {
                case .spawn, .lostSpawn, .boot: "spawn"
                case .connect: "connect"
                case .sync: "sync"
                case .step, .push: "build"
                }
            }
        }

        @Test("row 36: the time budget runs out, in each phase", arguments: Place.allCases)
        func runsOut(_ place: Place) async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                let context = try scene.context()
                switch place {
                case .spawn:
                    let busy = ScriptedHTTPServer.Reply.failure(503, code: "busy", message: "not now")
                    scene.orchestrator.script(.spawn, [.fault(busy)])
                // Each is given up after half a minute; the one that asks what became of it is answered.
                case .lostSpawn: scene.orchestrator.script(.spawn, [.lost(.hang), .lost(.hang), .honest])
                case .boot: scene.orchestrator.setState("pending")
                case .connect: proxy.stall()
                case .sync:
                    // What is still on its way then keeps the receiving side waiting for more.
                    scene.allow { $0.endsWithItsMachine = true }
                    proxy.setLimit(20_000)
                    let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
                    try random.read(upToCount: 8 << 20)?.write(to: URL(filePath: "\(context)/noise"))
                case .step: try runner.setEngine("trap '' TERM; echo '#1 0.1 begun'; sleep 600 & wait; wait; succeed")
                case .push: try runner.setEngine("echo '#1 pushing layers'; sleep 600; succeed")
                }
                let build = try await scene.build(context: context, ["--time-budget", "1"])
                #expect(build.status == 6 && build["status"] == "timed_out", "\(build.story)")
                #expect(build.errorCode == "time_budget_exceeded" && build["error"]["phase"] == place.phase)
                #expect(build.attempts.map { $0["outcome"] } == ["timed_out"] && build.digest == nil)
                expectEndedInTime(build, afterMinutes: 1, late: scene.allowing(Self.ending))
                #expect(build.isRunnerDestroyed == (place == .spawn ? nil : true), "\(build.story)")
                #expect(scene.orchestrator.runners.count == (place == .spawn ? 0 : 1))
                let events = try await scene.published()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "failed"])
                #expect(events.last?.json?["data"]?["status"] == "timed_out")
            }
        }

        /// The command on the runner gets three seconds to end; the rest is for what comes before and after that.
        private static let ending: Duration = .seconds(15)

        private func expectEndedInTime(_ build: FinishedBuild, afterMinutes minutes: Int, late allowed: Duration) {
            let duration: Duration = .milliseconds(build.attempts.first?["duration_ms"]?.intValue ?? 0)
            let budget: Duration = .seconds(60 * minutes)
            #expect((budget..<budget + allowed).contains(duration), "\(duration)")
        }

        /// A busy machine may need more than the smallest budget to come as far as the step.
        @Test("row 36: the time budget of a real build runs out in a step", .realEngine) func real() async throws {
            let stage = try #require(Stage.current)
            let start = ContinuousClock.now
            try await withRealScene(waiting: true) { scene, front in
                let marker = "86399.\(Int.random(in: 1000...9999))"
                let context = try scene.context(
                    BuildScene.shell + "RUN echo begun; exec busybox sleep \(marker)\n")
                let (minutes, isInStep, build) = try await withEnoughTime(
                    from: .seconds(60), ample: .seconds(960)
                ) { time in
                    let minutes = Int(time.components.seconds) / 60
                    let running = try scene.start(
                        scene.flags(context) + ["--time-budget", "\(minutes)"],
                        environment: ["ORCHESTRATOR_URL": front.url])
                    var isInStep = false
                    _ = await eventually(within: time * 2) {
                        isInStep = !processes(holding: marker).isEmpty
                        return isInStep || !running.isRunning
                    }
                    return (minutes, isInStep, try await running.finished(within: time * 2))
                } wasEnough: {
                    $0.1
                }
                #expect(isInStep && build.errorText.contains(" begun\n"), "\(build.story)")
                #expect(build.status == 6 && build["status"] == "timed_out", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["timed_out"])
                expectEndedInTime(build, afterMinutes: minutes, late: stage.allowing(Self.ending, since: start))
                #expect(build.isRunnerDestroyed == true)
                #expect(processes(holding: marker) == [])
                #expect(try await scene.events().last?.json?["data"]?["status"] == "timed_out")
            }
        }
    }
}
