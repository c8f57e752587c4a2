import LianModel
import LianNATS
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianBuild

/// How long the end of a build waits for its events.
@Suite struct BuildEventsTests {
    private func events(at url: String, _ fixture: RequestFixture, timing: Timing) throws -> BuildEvents {
        BuildEvents(EventsSettings(url: url), of: try fixture.build(), buildID: "b-1", timing: timing)
    }

    private let failed = BuildEvent.failed(code: .orchestratorRefused, phase: .spawn, status: "failed")

    /// As where the orchestrator refuses at once. The second never ends here: it is not what decides.
    @Test(.needsNATSServer)
    func aBuildThatIsOverBeforeTheConnectionIsUpHasItsEventsSent() async throws {
        try await withRequestFixture { fixture in
            try await withNATSServer { server in
                let events = try events(at: server.url, fixture, timing: .endless)
                events.send(failed, attempt: 1)
                let report = await events.finish(beside: Task {})
                #expect(report == EventsReport(published: 1, failed: 0, warnings: []))
            }
        }
    }

    @Test func aBrokerThatSaysNothingHasWhatIsLeftOfItsFirstSecond() async throws {
        let listener = try ScriptedListener(saying: "")
        defer { listener.stop() }
        let url = "nats://127.0.0.1:\(listener.port)"
        try await withRequestFixture { fixture in
            for (age, left) in [(Duration.milliseconds(400), [Duration.milliseconds(600)]), (.seconds(1), [])] {
                let start = Timing.system.now()
                let isOver = Mutex(false)
                let sleeps = Mutex<[Duration]>([])
                var timing = Timing.endless
                timing.now = { isOver.withLock { $0 } ? start + age : start }
                timing.sleep = { duration throws(CancellationError) in
                    // The second of a connection that is up.
                    if duration == .seconds(1) { return try await Timing.endless.sleep(duration) }
                    sleeps.withLock { $0.append(duration) }
                }
                let events = try events(at: url, fixture, timing: timing)
                events.send(failed, attempt: 1)
                isOver.withLock { $0 = true }
                let report = await events.finish(beside: Task {})
                #expect(report?.warnings.map(\.code) == [.eventsUnavailable])
                #expect(sleeps.withLock { $0 } == left)
            }
        }
    }

    @Test func aBrokerThatRefusesIsNotWaitedFor() async throws {
        let url = "nats://127.0.0.1:\(try refusingPort())"
        try await withRequestFixture { fixture in
            let events = try events(at: url, fixture, timing: .endless)
            events.send(failed, attempt: 1)
            let report = await events.finish(beside: Task {})
            #expect(report?.warnings.map(\.code) == [.eventsUnavailable])
        }
    }
}
