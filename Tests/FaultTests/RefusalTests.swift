import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Rows 5 to 7: the orchestrator says no.
    @Suite struct RefusalTests {
        private static let busy: ScriptedHTTPServer.Reply = .failure(
            503, code: "unavailable", message: "starting", headers: ["Retry-After": "2"])

        @Test("row 05: 503 with Retry-After, then 201: the wait is honoured") func oneRefusal() async throws {
            try await withRunner { scene, _, _ in
                scene.orchestrator.script(.spawn, [.fault(Self.busy), .honest])
                let build = try await scene.build()
                try #require(build.status == 0, "\(build.story)")
                let times = scene.orchestrator.requests(.spawn).map(\.time)
                try #require(times.count == 2)
                #expect(times[1] - times[0] >= .seconds(2))
                #expect(Set(scene.orchestrator.spawnKeys).count == 1)
            }
        }

        @Test(
            "row 06: 503 or 429 for ever ends within the deadline, and no_capacity is told apart",
            arguments: [
                (503, "orchestrator_unreachable"), (429, "no_capacity"), (502, "orchestrator_unreachable"),
                (504, "orchestrator_unreachable"),
            ])
        func refusalForEver(status: Int, code: String) async throws {
            // Behind a gateway's error there may be a runner: all of the half minute for destroying is spent on it.
            let isFateKnown = status == 503 || status == 429
            try await withScene(waiting: !isFateKnown) { scene in
                scene.orchestrator.script(.spawn, [.fault(.failure(status, code: "capacity", message: "full"))])
                let build = try await scene.build(["--spawn-timeout", "3"])
                #expect(build.status == 3 && build.errorCode == code, "\(build.story)")
                #expect(scene.orchestrator.requests(.spawn).count > 1)
                #expect(Set(scene.orchestrator.spawnKeys).count == 1)
                if isFateKnown { #expect(build["runner"] == .null && build.duration < .seconds(30)) }
            }
        }

        @Test("row 06: a Retry-After beyond the deadline is not waited for") func longWait() async throws {
            try await withScene { scene in
                let reply: ScriptedHTTPServer.Reply = .failure(
                    429, code: "capacity", message: "full", headers: ["Retry-After": "3600"])
                scene.orchestrator.script(.spawn, [.fault(reply)])
                let build = try await scene.build(["--spawn-timeout", "300"])
                #expect(build.status == 3 && build.errorCode == "no_capacity", "\(build.story)")
                #expect(build.duration < .seconds(60) && scene.orchestrator.requests(.spawn).count == 1)
            }
        }

        @Test(
            "row 07: 401 and 403 are not retried, and the hint names ORCHESTRATOR_TOKEN",
            arguments: [(401, "stranger"), (403, "stranger"), (401, nil), (403, nil)])
        func wrongToken(status: Int, token: String?) async throws {
            try await withScene { scene in
                scene.orchestrator.script(
                    .spawn,
                    [.fault(.failure(status, code: "unauthorized", message: "the token \(token ?? "") is not one"))])
                let build = try await scene.build(environment: ["ORCHESTRATOR_TOKEN": token])
                #expect(build.status == 3 && build.errorCode == "orchestrator_refused", "\(build.story)")
                #expect(build.hint.contains("ORCHESTRATOR_TOKEN"))
                #expect(scene.orchestrator.requests(.spawn).count == 1 && build["runner"] == .null)
                // Not even where the orchestrator itself repeats it.
                #expect(token.map { !build.story.contains($0) } ?? true)
            }
        }
    }
}
