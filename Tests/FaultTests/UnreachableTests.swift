import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Rows 1 to 4: the orchestrator cannot be heard.
    @Suite struct UnreachableTests {
        @Test("row 01: the orchestrator refuses connections") func refusal() async throws {
            try await withScene { scene in
                let nowhere = "http://127.0.0.1:\(try freePort())"
                let build = try await scene.build(
                    ["--spawn-timeout", "2"], environment: ["ORCHESTRATOR_URL": nowhere])
                expectUnreachable(build)
            }
        }

        @Test("row 01: the orchestrator's name does not resolve") func unknownName() async throws {
            try await withScene { scene in
                let build = try await scene.build(
                    ["--spawn-timeout", "2"], environment: ["ORCHESTRATOR_URL": "https://orchestrator.invalid"])
                expectUnreachable(build)
                #expect(build.hint.contains("name"), "\(build.story)")
            }
        }

        private func expectUnreachable(_ build: FinishedBuild) {
            #expect(build.status == 3 && build.errorCode == "orchestrator_unreachable", "\(build.story)")
            // Nothing came to be, so there is nothing to destroy.
            #expect(build.phase == "spawn" && build["runner"] == .null)
        }

        @Test("row 03: the answer to the spawn is lost, in every way", arguments: Loss.allCases)
        func lostAnswer(_ loss: Loss) async throws {
            try await withRunner { scene, _, _ in
                scene.orchestrator.script(.spawn, [.lost(loss.reply), .honest])
                let build = try await scene.build()
                try #require(build.status == 0, "\(build.story)")
                #expect(build.digest == ScriptedRunner.digest)
                #expect(scene.orchestrator.runners.count == 1)
                #expect(scene.orchestrator.spawnKeys.count == 2 && Set(scene.orchestrator.spawnKeys).count == 1)
                #expect(
                    try await scene.published().map { $0.subject.split(separator: ".").last } == [
                        "started", "completed",
                    ])
            }
        }

        enum Loss: String, CaseIterable {
            case reset, closed, cutShort, gateway

            var reply: ScriptedHTTPServer.Reply {
                switch self {
                case .reset: .reset
                case .closed: .close
                case .cutShort: .truncated(201, Array(#"{"success":true,"data":{"runner_id":"r-1"}}"#.utf8))
                case .gateway: .answer(502, Array("<h1>Bad Gateway</h1>".utf8))
                }
            }
        }
    }
}
