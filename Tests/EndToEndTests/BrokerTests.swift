import Foundation
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// Whatever becomes of the broker, the build does not care.
    @Suite struct BrokerTests {
        enum Broker: String, CaseIterable, CustomTestStringConvertible {
            case absent, silent, stopped
            case stoppedMeanwhile = "stopped while the build runs"

            var testDescription: String { rawValue }
        }

        @Test(arguments: Broker.allCases)
        func thatFails(broker: Broker) async throws {
            try await withScene { scene in
                try await withNATSServer { nats in
                    let silent = try ScriptedListener(saying: "")
                    defer { silent.stop() }
                    let url =
                        switch broker {
                        case .absent: "nats://127.0.0.1:\(try refusingPort())"
                        case .silent: "nats://127.0.0.1:\(silent.port)"
                        case .stopped, .stoppedMeanwhile: nats.url
                        }
                    let watcher = try await NATSSubscriber(port: nats.port)
                    defer { watcher.stop() }
                    if broker == .stopped { nats.pause() }
                    defer { nats.goOn() }
                    let gate = try StepGate()
                    let go = try scene.context(Scene.shell + "RUN echo begun; \(gate.waiting); echo made > /made\n")
                    let running = try scene.start(scene.flags(go), environment: ["NATS_URL": url])
                    if broker == .stoppedMeanwhile {
                        #expect(await eventually { watcher.messages("lian.\(scene.workspace).").count == 1 })
                        nats.pause()
                    }
                    gate.open()
                    let build = try await running.finished()

                    try #require(build.status == 0 && build["status"] == "succeeded", "\(build.story)")
                    #expect(build.digest == (try await scene.registry.digest(of: "\(scene.workspace)/app", tag: "1")))
                    // The first one has arrived where there was a broker; its confirmation may have been on the way yet.
                    let arrived = broker == .stoppedMeanwhile ? 1 : 0
                    let published = try #require(build["events"]["published"]?.intValue)
                    #expect((0...arrived).contains(published) && build["events"]["failed"] == .integer(2 - published))
                    let warning = arrived > 0 ? "events_unconfirmed" : "events_unavailable"
                    #expect(build.warningCodes.filter { $0.hasPrefix("event") } == [warning])
                    // One that was never up is not waited for, one that was a second at most, beside the destroying.
                    #expect(build.milliseconds(of: "teardown") < 25_000, "\(build["timings_ms"])")
                }
            }
        }
    }
}
