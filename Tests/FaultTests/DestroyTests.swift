import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 31: the orchestrator does not destroy the runner, or does not say so.
    @Suite struct DestroyTests {
        private static let broken = ScriptedHTTPServer.Reply.failure(500, code: "internal", message: "broken")

        @Test("row 31: destroy answers 500, 500, 404") func goneInTheEnd() async throws {
            try await withRunner { scene, _, _ in
                let unknown = ScriptedHTTPServer.Reply.failure(404, code: "not_found", message: "no such runner")
                scene.orchestrator.script(.destroy, [.fault(Self.broken), .fault(Self.broken), .lost(unknown)])
                let build = try await scene.build()
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.isRunnerDestroyed == true && build.warningCodes == [])
                #expect(scene.orchestrator.requests(.destroy).count == 3)
            }
        }

        enum Never: String, CaseIterable {
            case broken, hangs, resets

            var reply: ScriptedHTTPServer.Reply {
                switch self {
                case .broken: DestroyTests.broken
                case .hangs: .hang
                case .resets: .reset
                }
            }
        }

        @Test("row 31: destroy never answers well", arguments: Never.allCases) func neverGone(_ never: Never)
            async throws
        {
            try await withRunner(waiting: true) { scene, _, _ in
                scene.allow { $0.leftToTheirLease = 1 }
                scene.orchestrator.script(.destroy, [.fault(never.reply)])
                let build = try await scene.build()
                // The image is there, whatever became of the runner.
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                let id = try #require(scene.orchestrator.runners.first?.id)
                #expect(build.isRunnerDestroyed == false && build.runnerID == id)
                let warning = build["warnings"].arrayValue?.first { $0["code"] == "runner_not_destroyed" }
                #expect(warning?["message"]?.stringValue?.contains(id) == true)
                #expect(build.milliseconds(of: "teardown") < 55_000, "\(build.story)")
            }
        }
    }
}
