import Foundation
import LianModel
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

/// What the overview shows, and to whom.
@Suite struct OverviewTests {
    private func overview(_ fixture: FleetFixture, by token: Token) async throws -> JSONValue {
        let answer = await ask(fixture.routes, "GET", "/api/v1/overview", by: token)
        #expect(answer.status == 200)
        return try JSONValue.parse(answer.body)["data"] ?? .null
    }

    @Test func whatThereIs() async throws {
        try await withFleet { fixture in
            let reader = try AccessTests.token("reader", .read, maxRunners: 3)
            let first = try fixture.readyWithVolume("key-1")
            #expect(try fixture.keep(first.runnerID)?.kept == true)
            _ = try fixture.fleet.destroy(first.runnerID, reason: "test")
            let runner = try fixture.readyWithVolume("key-2")
            fixture.pass(7)
            for build in 1...3 { try fixture.store.keep(buildReport(build, cpu: 3, memory: 5000), of: "acme") }
            try fixture.store.keep(buildReport(1, .failed), of: "acme-new")
            let found = try await overview(fixture, by: reader)

            let shown = try #require(found["runners"]?[0])
            #expect(found["runners"]?.arrayValue?.count == 1)
            #expect(shown["runner_id"] == .string(runner.runnerID) && shown["state"] == "ready")
            #expect(shown["workspace"] == "acme" && shown["build_id"] == "b-1" && shown["attempt"] == 1)
            #expect(shown["size"]?["cpu"] == 2 && shown["size"]?["memory_mb"] == 4096)
            #expect(shown["volume"]?["state"] == "warm" && shown["volume"]?["generation"] == 1)
            // Where it can be reached is for who builds on it.
            #expect(shown["host"] == nil && shown["host_keys"] == nil && shown["volume"]?["path"] == nil)
            let begun = try #require(shown["created_at"]?.stringValue.flatMap(UTCTime.init(rfc3339:)))
            let ends = try #require(shown["expires_at"]?.stringValue.flatMap(UTCTime.init(rfc3339:)))
            // The lease of 60 seconds began with the runner. The wall clock goes on between two looks at it.
            #expect((60_000...61_000).contains(ends.milliseconds - begun.milliseconds))

            #expect(found["capacity"] == ["runners": 4, "taken": 1, "quota": 3])
            #expect(found["volumes"]?[0]?["name"] == "ci/acme/app")
            let provider = try #require(found["providers"]?[0])
            #expect(provider["name"] == "local" && provider["kind"] == "local" && provider["health"] == "ok")

            let workspace = try #require(found["workspaces"]?[0])
            let history = try fixture.store.history(of: "acme")
            guard case .sized(let sizing, _) = NextSize(history, ladder: .standard) else {
                Issue.record("no size")
                return
            }
            #expect(workspace["workspace"] == "acme" && workspace["next_size"]?.encoded() == sizing.json.encoded())
            #expect(
                workspace["reason"]
                    == "95 % of 3 recorded builds used no more than 3 cores and 4.9 GB, and a fifth is added")
            let all = try await overview(fixture, by: .ofAll("secret"))
            #expect(all["workspaces"]?[0]?["workspace"] == "acme-new")
            #expect(all["workspaces"]?[0]?["next_size"] == .null)
        }
    }

    @Test func othersAreNotShown() async throws {
        try await withFleet { fixture in
            let stranger = try AccessTests.token("stranger", .read, ["other"])
            let before = try await overview(fixture, by: stranger)
            let runner = try fixture.readyWithVolume("key-1")
            _ = try fixture.keep(runner.runnerID)
            try fixture.store.keep(buildReport(1), of: "acme")
            // Its error names what is of others.
            fixture.provider.books.withLock { $0.teardownsThatFail = 1 }
            guard case .failed = try fixture.fleet.destroy(runner.runnerID, reason: "test") else {
                Issue.record("it was destroyed")
                return
            }
            #expect(try await overview(fixture, by: stranger) == before)
            #expect(before["runners"] == [] && before["volumes"] == [] && before["workspaces"] == [])
            let all = try await overview(fixture, by: .ofAll("secret"))
            #expect(all["providers"]?[0]?["last_error"]?["message"] == "busy")
            #expect(all["capacity"]?["taken"] == 1)
        }
    }

    @Test func healthNamesPlatformsAndProviders() async throws {
        try await withFleet { fixture in
            let answer = await ask(fixture.routes, "GET", "/healthz", by: .ofAll("secret"))
            let data = try JSONValue.parse(answer.body)["data"]
            #expect(data?["platforms"] == ["linux/amd64"] && data?["providers"] == ["local"])
        }
    }
}
