import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 33: history and metrics are of use, and not needed.
    @Suite struct HistoryTests {
        enum Failure: String, CaseIterable {
            case broken, notServed, refused, hangs, noJSON, wrongTypes, cut

            var reply: ScriptedHTTPServer.Reply {
                switch self {
                case .broken: .failure(500, code: "internal", message: "broken")
                case .notServed: .failure(404, code: "not_found", message: "what?")
                case .refused: .failure(403, code: "forbidden", message: "not for you")
                case .hangs: .hang
                case .noJSON: .answer(200, Array("<h1>welcome</h1>".utf8))
                case .wrongTypes:
                    .success(200, ["workspace": "x", "samples": "many", "cpu_p95": [], "memory_mb_p95": true])
                case .cut: .truncated(200, Array(#"{"success":true,"data":{"workspace":"acme","samples":0}}"#.utf8))
                }
            }
        }

        @Test("row 33: p95 fails, and the language decides", arguments: Failure.allCases)
        func p95(_ failure: Failure) async throws {
            try await withRunner { scene, _, _ in
                scene.orchestrator.script(.p95, [.fault(failure.reply)])
                let build = try await scene.build(["--language", "rust"])
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.warningCodes.contains("history_unavailable"))
                #expect(build["sizing"]["source"] == "language" && build["sizing"]["tier"] == "cx32")
            }
        }

        @Test(
            "row 33: metrics fail", arguments: Failure.allCases.filter { ![.hangs, .noJSON, .wrongTypes].contains($0) })
        func metrics(_ failure: Failure) async throws {
            try await withRunner { scene, _, _ in
                scene.orchestrator.script(.metrics, [.fault(failure.reply)])
                let build = try await scene.build()
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.warningCodes == ["metrics_not_recorded"])
                #expect(build.isRunnerDestroyed == true)
            }
        }

        @Test("row 33: metrics are never answered") func hungMetrics() async throws {
            try await withRunner(waiting: true) { scene, _, _ in
                scene.orchestrator.script(.metrics, [.fault(.hang)])
                let build = try await scene.build(["--report", "report.html"])
                #expect(build.status == 0 && build.warningCodes == ["metrics_not_recorded"], "\(build.story)")
                // Five seconds beyond destroying the runner, and not the half minute that one request has.
                #expect(build.milliseconds(of: "teardown") < 25_000, "\(build.story)")
            }
        }

        @Test("row 33: history is never answered at the end") func hungHistory() async throws {
            try await withRunner(waiting: true) { scene, _, _ in
                scene.orchestrator.script(.p95, [.honest, .fault(.hang)])
                let build = try await scene.build(["--report", "report.html"])
                #expect(build.status == 0 && build.warningCodes == [], "\(build.story)")
                #expect(build.milliseconds(of: "teardown") < 25_000, "\(build.story)")
            }
        }
    }
}
