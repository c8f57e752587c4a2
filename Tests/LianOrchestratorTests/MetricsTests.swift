import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

/// What is counted, and how Prometheus reads it.
@Suite struct MetricsTests {
    // MARK: The format

    @Test func theFormat() {
        let workspace = Label("workspace")
        let counter = Tally(.counter, "a_total", "Back\\slash and\nline.", [workspace, Label("b")])
        counter.add(["acme", "q\"b\\n\n"])
        counter.add(["acme", "q\"b\\n\n"], amount: 1.5)
        #expect(
            counter.family.text(whereWorkspace: nil) == #"""
                # HELP a_total Back\\slash and\nline.
                # TYPE a_total counter
                a_total{workspace="acme",b="q\"b\\n\n"} 2.5

                """#)
        let histogram = Histogram("h_seconds", "H.", [workspace], bounds: [0.5, 1])
        for seconds in [0.5, 0.75, 3] { histogram.observe(seconds, ["acme"]) }
        #expect(
            histogram.family.text(whereWorkspace: nil) == """
                # HELP h_seconds H.
                # TYPE h_seconds histogram
                h_seconds_bucket{workspace="acme",le="0.5"} 1
                h_seconds_bucket{workspace="acme",le="1"} 2
                h_seconds_bucket{workspace="acme",le="+Inf"} 3
                h_seconds_sum{workspace="acme"} 4.25
                h_seconds_count{workspace="acme"} 3

                """)
        #expect(
            Tally(.gauge, "g", "G.").family.text(whereWorkspace: nil) == "# HELP g G.\n# TYPE g gauge\ng 0\n")
        #expect(Tally(.gauge, "g", "G.", [workspace]).family.text(whereWorkspace: nil).isEmpty)
        histogram.observe(.greatestFiniteMagnitude, ["acme"])
        histogram.observe(.greatestFiniteMagnitude, ["acme"])
        #expect(histogram.family.text(whereWorkspace: nil).contains("h_seconds_sum{workspace=\"acme\"} +Inf\n"))
    }

    @Test func labelsHaveALimit() {
        let label = Label("workspace", limit: 200)
        let tally = Tally(.counter, "a_total", "A.", [label])
        for number in 1...300 { tally.add(["w-\(number)"]) }
        tally.add(["w-1"])
        tally.add([String(repeating: "w", count: 65)])
        let lines = tally.family.text(whereWorkspace: nil).split(separator: "\n")
        #expect(lines.count == 2 + 201)
        #expect(lines.contains("a_total{workspace=\"other\"} 101"))
        #expect(lines.contains("a_total{workspace=\"w-1\"} 2") && !lines.contains { $0.contains("w-201") })
    }

    /// A workspace may be called so, and its token is not shown what others did.
    @Test func whatIsCountedAsOtherIsNobodys() throws {
        let tally = Tally(.counter, "a_total", "A.", [Label("workspace", limit: 1)])
        for name in ["acme", "other", "late"] { tally.add([name]) }
        #expect(tally.family.text(whereWorkspace: nil).contains("{workspace=\"other\"} 2\n"))
        #expect(tally.family.text { $0 == "other" }.isEmpty)
        #expect(tally.family.text { $0 == "acme" }.contains("{workspace=\"acme\"} 1\n"))
    }

    // MARK: What is counted

    private func page(_ fixture: FleetFixture, by token: Token = .ofAll("secret")) async -> String {
        let answer = await ask(fixture.routes, "GET", "/metrics", by: token)
        #expect(answer.status == 200)
        #expect(answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
        return String(decoding: answer.body, as: UTF8.self)
    }

    /// The number of the series; nil where there is none.
    private func number(_ series: String, in page: String) -> Double? {
        page.split(separator: "\n").first { $0.hasPrefix(series + " ") }.flatMap {
            Double($0.dropFirst(series.utf8.count + 1))
        }
    }

    /// A fleet to which everything has happened that is counted.
    private func eventful(_ fixture: FleetFixture) async throws {
        let first = try fixture.readyWithVolume("key-1")
        #expect(try fixture.keep(first.runnerID)?.kept == true)
        fixture.provider.books.withLock { $0.teardownsThatFail = 1 }
        _ = try fixture.fleet.destroy(first.runnerID, reason: "test")
        _ = try fixture.fleet.destroy(first.runnerID, reason: "test")
        let second = try fixture.readyWithVolume("key-2")
        fixture.provider.books.withLock { $0.engineEnd = .unclear("killed") }
        #expect(try fixture.keep(second.runnerID)?.kept == false)
        // Asked for again, it is the same discarding.
        #expect(try fixture.keep(second.runnerID)?.kept == false)
        fixture.pass(61)
        fixture.fleet.reap()
        #expect(await eventually { fixture.roster.unfinished(second.runnerID) == nil })
        let dead = try fixture.ready("key-3")
        fixture.provider.books.withLock { _ = $0.dead.insert(dead) }
        // A thread may still be about to make it.
        #expect(
            await eventually {
                fixture.fleet.reap()
                return fixture.roster.unfinished(dead)?.state == .failed
            })
        _ = try fixture.spawn("key-4", build: "fails")
        #expect(await eventually { fixture.roster.unfinished.allSatisfy { $0.state == .failed && $0.isTornDown } })
        _ = try fixture.spawn("key-5", region: "nowhere")
        let limited = try AccessTests.token("limited", .build, maxRunners: 0)
        _ = try fixture.spawn("key-6", by: limited)
        _ = try fixture.ready("key-7")
        let writer = try AccessTests.token("writer", .build)
        for report in [buildReport(1, .oom), buildReport(1, .oom), buildReport(1, attempt: 2)] {
            _ = await ask(
                fixture.routes, "POST", "/api/v1/workspaces/acme/metrics", by: writer, body: report.json)
        }
        _ = await ask(fixture.routes, "GET", "/api/v1/runners", by: writer)
    }

    @Test func whatHappensIsCounted() async throws {
        try await withFleet { fixture in
            try await eventful(fixture)
            let page = await page(fixture)
            for (series, expected) in [
                ("lian_spawns_total{workspace=\"acme\",provider=\"local\"}", 5),
                ("lian_spawn_refusals_total{workspace=\"acme\",cause=\"unservable\"}", 1),
                ("lian_spawn_refusals_total{workspace=\"acme\",cause=\"quota\"}", 1),
                ("lian_runner_ready_seconds_count{workspace=\"acme\",provider=\"local\"}", 4),
                ("lian_runner_lifetime_seconds_count{workspace=\"acme\",provider=\"local\"}", 4),
                ("lian_runner_lifetime_seconds_sum{workspace=\"acme\",provider=\"local\"}", 61),
                ("lian_runners_reaped_total{workspace=\"acme\",cause=\"lease\"}", 1),
                ("lian_runners_reaped_total{workspace=\"acme\",cause=\"died\"}", 1),
                ("lian_runners_reaped_total{workspace=\"acme\",cause=\"failed\"}", 1),
                ("lian_runner_destroys_repeated_total{workspace=\"acme\",provider=\"local\"}", 1),
                ("lian_volume_warm_starts_total{workspace=\"acme\"}", 1),
                ("lian_volume_cold_starts_total{workspace=\"acme\",reason=\"none_yet\"}", 1),
                ("lian_volumes_kept_total{workspace=\"acme\"}", 1),
                ("lian_volumes_discarded_total{workspace=\"acme\",reason=\"engine_not_stopped\"}", 1),
                ("lian_build_attempts_total{workspace=\"acme\",outcome=\"oom\"}", 1),
                ("lian_build_attempts_total{workspace=\"acme\",outcome=\"succeeded\"}", 1),
                ("lian_build_attempt_seconds_count{workspace=\"acme\"}", 2),
                ("lian_http_refusals_total{code=\"forbidden\"}", 1),
                ("lian_provider_errors_total{provider=\"local\",call=\"create\"}", 1),
                ("lian_provider_errors_total{provider=\"local\",call=\"destroy\"}", 1),
                ("lian_provider_call_seconds_count{provider=\"local\",call=\"create\"}", 5),
                (
                    "lian_runners{state=\"ready\",workspace=\"acme\",tier=\"cx22\",provider=\"local\"}", 1
                ),
                ("lian_runners_places_taken", 1), ("lian_runners_capacity", 4),
                ("lian_provider_up{provider=\"local\",kind=\"local\"}", 1),
                ("lian_build_info{version=\"\(lianBuildVersion)\"}", 1),
            ] as [(String, Double)] {
                #expect(number(series, in: page) == expected, "\(series)")
            }
            for name in [
                "lian_store_call_seconds_count{call=\"transaction\"}", "lian_disk_size_bytes{disk=\"state\"}",
                "lian_disk_free_bytes{disk=\"volumes\"}", "process_cpu_seconds_total",
                "process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds",
                "process_max_fds", "process_start_time_seconds",
            ] {
                #expect((number(name, in: page) ?? 0) > 0, "\(name)")
            }
        }
    }

    /// A runner that nobody wants any more is no error of the provider's.
    @Test func whatWasAskedForIsNoError() async throws {
        try await withFleet { fixture in
            fixture.provider.gate.update { $0 = false }
            guard case .created(let runner) = try fixture.spawn("key-1") else { throw NotCreated() }
            #expect(await eventually { fixture.provider.books.withLock { $0.existing.contains(runner.runnerID) } })
            let fleet = fixture.fleet
            async let destroyed = onOwnThread { Result { try fleet.destroy(runner.runnerID, reason: "test") } }
            #expect(await eventually { fixture.roster.unfinished(runner.runnerID)?.state == .gone })
            fixture.provider.gate.update { $0 = true }
            _ = try await destroyed.get()
            let page = await page(fixture)
            #expect(!page.contains("lian_provider_errors_total{"))
            #expect(number("lian_provider_call_seconds_count{provider=\"local\",call=\"create\"}", in: page) == 1)
        }
    }

    // MARK: Who sees it

    /// Only series of its workspaces, and no sum that others have a part in.
    @Test func aTokenSeesItsWorkspaces() async throws {
        try await withFleet { fixture in
            let stranger = try AccessTests.token("stranger", .read, ["other-team"])
            try await eventful(fixture)
            #expect(await page(fixture, by: stranger).isEmpty)
            let reader = try AccessTests.token("reader", .read)
            let seen = await page(fixture, by: reader).split(separator: "\n").filter { !$0.hasPrefix("#") }
            #expect(seen.count > 20 && seen.allSatisfy { $0.contains("workspace=\"acme\"") })
            let everything = try AccessTests.token("all", .read, ["*"])
            #expect(await page(fixture, by: everything).contains("\nprocess_open_fds "))
            let builder = try AccessTests.token("builder", .build)
            #expect(await ask(fixture.routes, "GET", "/metrics", by: builder).status == 403)
        }
    }

    // MARK: Prometheus's own eyes

    /// promtool has nothing to say, whatever clients call their things.
    @Test(.needsPrometheus) func promtoolHasNothingToSay() async throws {
        try await withFleet(capacity: 8) { fixture in
            try await eventful(fixture)
            var order = fleetOrder(build: "b-2")
            order.size.tier = "a\"b\\c\nd{e=\"f\"} 1"
            _ = try fixture.fleet.spawn(order, key: "key-8", by: .ofAll("secret"))
            let page = await page(fixture)
            #expect(page.contains("tier=\"a\\\"b\\\\c\\nd{e=\\\"f\\\"} 1\""))
            let result = try await run(
                Command(Prometheus.promtool, ["check", "metrics"], environment: [:]),
                input: .bytes(Array(page.utf8)), deadline: .seconds(120))
            #expect(result.termination == .exited(0) && result.output.isEmpty)
            #expect(result.errorText.isEmpty, "\(page)")
        }
    }
}
