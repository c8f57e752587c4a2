import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// What examples/ has for Prometheus and Grafana, with the real Prometheus.
@Suite struct PrometheusTests {
    private func example(_ name: String) throws -> String {
        try String(contentsOf: Project.root.appending(path: "examples/\(name)"), encoding: .utf8)
    }

    /// The queries of the dashboard's panels.
    private func queries() throws -> [String] {
        let board = try JSONValue.parse(try example("grafana-dashboard.json"))
        return (board["panels"]?.arrayValue ?? []).flatMap { panel in
            (panel["targets"]?.arrayValue ?? []).compactMap { $0["expr"]?.stringValue }
        }
    }

    /// The configuration that the documentation shows, for this orchestrator.
    private func configuration(port: Int) throws -> String {
        let page = try String(contentsOf: Project.root.appending(path: "docs/orchestrator.md"), encoding: .utf8)
        let block = try #require(page.split(separator: "```yaml\n").dropFirst().first?.split(separator: "```\n").first)
        let here = block.replacing("/etc/prometheus/lian-token", with: "token")
            .replacing("localhost:9011", with: "127.0.0.1:\(port)")
        #expect(here.contains("{ credentials_file: token }") && here.contains("127.0.0.1:\(port)"))
        return "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }\n\(here)"
    }

    /// Of what seldom happens there need be no series.
    private static let rare = [
        "lian_runners_reaped_total", "lian_runner_destroys_repeated_total", "lian_volume", "_errors_total",
    ]

    /// Every query of the dashboard is understood, and has data where something has happened; and so do all alerts.
    @Test(.needsPrometheus) func theDashboardShowsAnOrchestrator() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator { orchestrator in
                let files = [
                    "token": orchestrator.token, "prometheus-alerts.yml": try example("prometheus-alerts.yml"),
                ]
                try await withPrometheus(try configuration(port: orchestrator.port), files: files) { prometheus in
                    let gone = try await orchestrator.readyRunner(caller.order())
                    try await orchestrator.destroy(gone.id)
                    _ = try await orchestrator.readyRunner(caller.order(build: "b-2"))
                    var elsewhere = caller.order()
                    elsewhere.region = "nowhere"
                    #expect(try await orchestrator.spawn(elsewhere, key: "key-of-the-test").status == 422)
                    #expect(try await exchange(port: orchestrator.port, "GET", "/api/v1/runners").status == 401)
                    for outcome in [AttemptOutcome.oom, .succeeded] {
                        let report = MetricsReport(
                            buildID: "b-1", attempt: outcome == .oom ? 1 : 2, runnerID: gone.id, tier: nil,
                            outcome: outcome, cpuPeak: 1, memoryMBPeak: 2, durationSeconds: 3)
                        let told = try await orchestrator.request(
                            "POST", "/api/v1/workspaces/acme/metrics", body: report.json)
                        #expect(told.status == 202)
                    }
                    let queries = try queries()
                    #expect(queries.count > 30)
                    for query in queries {
                        let asked = query.replacing("$workspace", with: ".*")
                            .replacing("$__rate_interval", with: "5m")
                        #expect(!asked.contains("$"))
                        if Self.rare.contains(where: query.contains) {
                            _ = try await prometheus.series(asked)
                        } else {
                            #expect(try await eventually { try await prometheus.series(asked) > 0 }, "\(asked)")
                        }
                    }
                    try await expectAlerts(prometheus)
                }
            }
        }
    }

    private func expectAlerts(_ prometheus: Prometheus) async throws {
        var rules: [JSONValue] = []
        let areEvaluated = try await eventually {
            let answer = try await exchange(port: prometheus.port, "GET", "/api/v1/rules")
            rules = answer.json["data"]?["groups"]?[0]?["rules"]?.arrayValue ?? []
            return !rules.isEmpty && rules.allSatisfy { $0["health"] != "unknown" }
        }
        #expect(areEvaluated && rules.allSatisfy { $0["health"] == "ok" }, "\(rules)")
    }

    /// Each alert fires where it should, and none where all is well.
    @Test(.needsPrometheus) func alertsFire() async throws {
        let fixture = Project.root.appending(path: "Tests/Fixtures/prometheus-alerts.test.yml")
        for arguments in [
            ["check", "rules", Project.root.appending(path: "examples/prometheus-alerts.yml").path],
            ["test", "rules", fixture.path],
        ] {
            let result = try await run(
                Command(Prometheus.promtool, arguments, environment: [:]), deadline: .seconds(120))
            #expect(result.termination == .exited(0), "\(result.outputText)\(result.errorText)")
        }
        let tried = try String(contentsOf: fixture, encoding: .utf8)
        for line in try example("prometheus-alerts.yml").split(separator: "\n") {
            guard let name = line.split(separator: "- alert: ", omittingEmptySubsequences: false).dropFirst().first
            else { continue }
            #expect(tried.contains("alertname=\"\(name)\""), "\(name) is not tried")
        }
    }
}
