import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Rows 1 to 4: the orchestrator cannot be heard.
    @Suite struct UnreachableTests {
        @Test("row 01: the orchestrator refuses connections") func refusal() async throws {
            try await withScene { scene in
                let nowhere = "http://127.0.0.1:\(try refusingPort())"
                let build = try await scene.build(environment: ["ORCHESTRATOR_URL": nowhere])
                expectNothingCame(of: build)
                #expect(build.hint.contains("lian-orchestrator"))
                // Nobody waits without a word.
                #expect(build.errorText.contains("; asking again\n"))
            }
        }

        @Test("row 01: the orchestrator's name does not resolve") func unknownName() async throws {
            try await withScene { scene in
                let build = try await scene.build(
                    ["--spawn-timeout", "2"], environment: ["ORCHESTRATOR_URL": "https://orchestrator.invalid"])
                expectNothingCame(of: build)
            }
        }

        private func expectNothingCame(of build: FinishedBuild) {
            #expect(build.status == 3 && build.errorCode == "orchestrator_unreachable", "\(build.story)")
            #expect(build.phase == "spawn" && build["runner"] == .null)
            #expect(build.duration < .seconds(60))
        }

        @Test("row 02: the orchestrator takes the spawn and never answers; the next request it does")
        func silenceOnce() async throws {
            try await withScene { scene in
                scene.orchestrator.script(.spawn, [.lost(.hang), .honest])
                let build = try await scene.build(["--spawn-timeout", "2"])
                expectSilence(build)
                #expect(scene.orchestrator.runners.count == 1)
                #expect(build.runnerID == "r-1" && build.isRunnerDestroyed == true)
            }
        }

        /// The two seconds, and all of the half minute that destroying has: there may be a runner.
        @Test("row 02: the orchestrator accepts and never answers anything") func silence() async throws {
            try await withScene(waiting: true) { scene in
                for route in OrchestratorRoute.allCases { scene.orchestrator.script(route, [.fault(.hang)]) }
                let build = try await scene.build(["--spawn-timeout", "2"])
                expectSilence(build)
                #expect(build.duration > .seconds(30))
                expectNamelessRunner(build)
            }
        }

        /// There may be one, and no answer ever named it.
        private func expectNamelessRunner(_ build: FinishedBuild) {
            #expect(build.runnerID == nil && build.isRunnerDestroyed == false)
            #expect(build.warningCodes.contains("runner_not_destroyed"))
        }

        private func expectSilence(_ build: FinishedBuild) {
            #expect(build.status == 3 && build.errorCode == "orchestrator_unreachable", "\(build.story)")
            #expect(build.phase == "spawn")
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

        @Test("row 03: the runner is there, and the answer to the spawn is lost", arguments: Loss.allCases)
        func lostAnswer(_ loss: Loss) async throws {
            try await withRunner { scene, _, _ in
                scene.orchestrator.script(.spawn, [.lost(loss.reply), .honest])
                let build = try await scene.build()
                try #require(build.status == 0, "\(build.story)")
                #expect(build.digest == ScriptedRunner.digest)
                expectOneRunner(scene, ofSpawns: 2)
                let events = try await scene.published().map { $0.subject.split(separator: ".").last }
                #expect(events == ["started", "completed"])
            }
        }

        @Test("row 04: a connection that was used before is dropped in the middle of the spawn")
        func droppedConnection() async throws {
            try await withRunner { scene, _, _ in
                scene.orchestrator.script(.spawn, [.lost(.reset), .lost(.close), .honest])
                let build = try await scene.build()
                try #require(build.status == 0, "\(build.story)")
                expectOneRunner(scene, ofSpawns: 3)
                // The history was asked for first and its connection kept: none of the spawns may go over it, since
                // libcurl itself would repeat one there.
                let earlier = scene.orchestrator.requests(.p95).map(\.connection)
                let spawns = scene.orchestrator.requests(.spawn).map(\.connection)
                #expect(!earlier.isEmpty && Set(earlier).isDisjoint(with: spawns) && Set(spawns).count == 3)
            }
        }

        private func expectOneRunner(_ scene: FaultScene, ofSpawns count: Int) {
            #expect(scene.orchestrator.runners.count == 1)
            #expect(scene.orchestrator.spawnKeys.count == count && Set(scene.orchestrator.spawnKeys).count == 1)
        }
    }
}
