import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

/// Runners that cannot be removed for long are told of, once each.
@Suite(.needsNATSServer, .needsNickel) struct LeakTests {
    private func events(_ url: String, log: EventLog = EventLog(.text) { _ in }) async throws -> OrchestratorEvents {
        let plan = EventsPlan(try NatsEventConfig(JSONNode(["url": .string(url)])), in: "/")
        return OrchestratorEvents(
            try await plan.settings([:]), subjectPrefix: plan.subjectPrefix, orchestrator: "o-1", log: log)
    }

    /// One try to remove it, to its end.
    private func tryToRemove(_ id: String, _ fixture: FleetFixture, after seconds: Int = 0) throws -> Bool {
        fixture.pass(seconds)
        if case .gone = try fixture.fleet.destroy(id, reason: "its build has ended") { return true }
        return false
    }

    @Test func eachIsToldOnceAfterTenMinutes() async throws {
        try await withNATSServer { nats in
            let subscriber = try await NATSSubscriber(port: nats.port)
            defer { subscriber.stop() }
            let events = try await events(nats.url)
            let told = Guarded<[LeakingRunner]>([])
            let tell = { @Sendable (leak: LeakingRunner) in
                told.update { $0.append(leak) }
                events.tell(leak)
            }
            try await withTemporaryFolder { folder in
                let first = try FleetFixture(folder, onLeak: tell)
                let (id, other) = (try first.ready("key-1"), try first.ready("key-2"))
                let asked = UTCTime(milliseconds: Timing.system.wallClock())
                first.provider.books.withLock { $0.teardownsThatFail = 1000 }
                for seconds in [0, 1, 598] { #expect(try !tryToRemove(id, first, after: seconds)) }
                #expect(told.value.isEmpty)
                for seconds in [1, 10, 3600] { #expect(try !tryToRemove(id, first, after: seconds)) }
                let leak = try #require(told.value.first)
                #expect(leak.runnerID == id && leak.workspace == "acme" && leak.provider == "local")
                #expect(leak.reason == "busy" && leak.since < asked)

                // The ten minutes go on over a restart, as the provider's trouble does.
                #expect(try !tryToRemove(other, first))
                let second = try first.killedAndStarted(onLeak: tell)
                #expect(try !tryToRemove(other, second, after: 4810))
                #expect(told.value.map(\.runnerID) == [id, other])

                // Whichever way it goes in the end, nobody is told again.
                first.provider.books.withLock { $0.teardownsThatFail = 0 }
                #expect(try tryToRemove(id, first) && tryToRemove(other, second))
            }
            #expect(await eventually { subscriber.messages().count == 2 })
            await events.finish()
            try await subscriber.settle()
            let messages = subscriber.messages()
            #expect(messages.map(\.subject) == Array(repeating: "lian.orchestrator.leaking", count: 2))
            let bodies = try messages.map { try #require($0.json) }
            #expect(bodies.map { $0["data"]?["runner_id"] } == told.value.map { .string($0.runnerID) })
            #expect(bodies[0]["data"]?["since"] == .string(told.value[0].since.rfc3339))
            #expect(messages[0].headers["Nats-Msg-Id"] == "o-1.\(told.value[0].runnerID).leaking")
            try await expectAccepted(bodies, by: "Leaking", of: "orchestrator_events.ncl")
        }
    }

    /// One that died by itself was never asked to be gone: the first try to remove it counts.
    @Test func oneThatDied() async throws {
        try await withTemporaryFolder { folder in
            let told = Guarded<[String]>([])
            let fixture = try FleetFixture(folder) { leak in told.update { $0.append(leak.runnerID) } }
            let id = try fixture.ready("key-1", lease: 3000, budget: 60)
            fixture.pass(1000)
            fixture.provider.books.withLock { books in
                books.dead = [id]
                books.teardownsThatFail = 1000
            }
            fixture.fleet.reap()
            #expect(await eventually { fixture.provider.books.withLock { $0.teardownsThatFail < 1000 } })
            for seconds in [0, 599] { #expect(try !tryToRemove(id, fixture, after: seconds)) }
            #expect(told.value.isEmpty)
            #expect(try !tryToRemove(id, fixture, after: 1) && told.value == [id])
            fixture.provider.books.withLock { $0.teardownsThatFail = 0 }
            #expect(try tryToRemove(id, fixture))
        }
    }

    @Test func whatNATSDoesNotTakeStandsInTheLog() async throws {
        let lines = Guarded<[String]>([])
        let log = EventLog(.text) { line in lines.update { $0.append(line) } }
        let events = try await events("nats://127.0.0.1:\(try refusingPort())", log: log)
        events.tell(
            LeakingRunner(
                runnerID: "r-1", workspace: "acme", provider: "far", since: UTCTime(milliseconds: 0), reason: "busy"))
        await events.finish()
        #expect(lines.value.contains { $0.contains("no event was sent to NATS at nats://127.0.0.1:") })
    }

    /// The real program publishes by what its configuration says, and --check says where.
    @Test func theConfigurationSaysWhere() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "orchestrator.json").path
            let nats: JSONValue = [
                "url": "nats://127.0.0.1:1", "subject_prefix": "acme",
                "nkey": ["via": "file", "path": "nkey"],
            ]
            try writeFile(file, JSONValue.object(["nats": nats]).encoded())
            func check() async throws -> SubprocessResult {
                try await run(
                    Command(
                        Project.executable("lian-orchestrator"),
                        ["--config", file, "--check", "--state", folder.appending(path: "s").path],
                        environment: ProcessInfo.processInfo.environment), deadline: .seconds(120))
            }
            let without = try await check()
            #expect(without.termination == .exited(2) && without.outputText.contains("nkey seed"))
            try writeFile(folder.appending(path: "nkey").path, "\(NATSServer.userSeed)\n")
            let with = try await check()
            #expect(with.outputText.contains("acme.orchestrator.leaking at nats://127.0.0.1:1\n"), "\(with.outputText)")
        }
    }
}
