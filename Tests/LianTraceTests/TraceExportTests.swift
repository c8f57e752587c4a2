import Foundation
import LianBuildKit
import LianModel
import LianReport
import LianSystem
import LianTestSupport
import Testing

@testable import LianTrace

@Suite struct TraceExportTests {
    private static let small = Sizing(
        source: .language, size: RunnerSize(cpu: 2, memoryGB: 4), timeBudgetMinutes: 30, tier: "cx22")

    /// Out of memory on the first runner, built on the second, which was asked twice by its registry.
    private func record() -> BuildRecord {
        var envelope = ResultEnvelope(status: .succeeded)
        envelope.buildID = "b-01J"
        envelope.workspace = "acme"
        envelope.mode = "ci"
        envelope.runner = RunnerResult(id: "r-2", provider: "local", tier: "cx22", destroyed: true)
        envelope.attempts = [
            AttemptResult(
                number: 1, tier: "cx22", outcome: .oom, exitCode: 1, durationMS: 90,
                oom: OOMVerdict(reason: .exit137, kernelOOMKills: 1)),
            AttemptResult(
                number: 2, tier: "cx22", outcome: .succeeded, exitCode: 0, durationMS: 400, oom: nil,
                registryRetries: 2),
        ]
        var record = BuildRecord(begun: UTCTime(milliseconds: 1_790_000_000_000), envelope: envelope)
        record.phases = [
            PhaseSpan(.resolve, attempt: nil, start: 0, end: 10), PhaseSpan(.build, attempt: 1, start: 20, end: 100),
            PhaseSpan(.teardown, attempt: 1, start: 100, end: 110),
            PhaseSpan(.build, attempt: 2, start: 120, end: 500),
            PhaseSpan(.teardown, attempt: 2, start: 500, end: 700),
        ]
        record.attempts = [
            AttemptRecord(number: 1, sizing: Self.small, start: 10, end: 100),
            AttemptRecord(number: 2, sizing: Self.small, start: 110, end: 500),
        ]
        record.attempts[0].outOfMemoryAt = 99
        record.attempts[0].steps = [
            StepRecord(artifact: "app", name: "[1/1] RUN make", state: .failed, start: 30, duration: 69)
        ]
        record.attempts[1].steps = [
            StepRecord(artifact: "app", name: "[1/2] FROM a", state: .cached, start: 130, duration: 0),
            StepRecord(artifact: "app", name: "[2/2] RUN \u{1B}[1mmake\nall", state: .done, start: 140, duration: 300),
        ]
        return record
    }

    private func export(_ collector: TraceCollector, _ more: [String: String] = [:]) throws -> TraceExport {
        try #require(TraceExport(environment: collector.environment.merging(more) { $1 }))
    }

    @Test func oneTraceABuild() async throws {
        try await withTraceCollector { collector in
            let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            let export = try export(collector, ["TRACEPARENT": parent, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=k%2C1"])
            #expect(await export.finish(record()) == nil)
            #expect(collector.requests.map { $0.headers["x-key"] } == ["k,1", "k,1"])
            let spans = try collector.spans()
            #expect(Set(spans.map(\.traceID)) == ["0af7651916cd43dd8448eb211c80319c"])
            #expect(Set(spans.map(\.id)).count == spans.count)
            let root = try #require(spans.first)
            #expect(root.name == "lian-build" && root.parent == "b7ad6b7169203331" && root.failure == nil)
            #expect(root.start == 1_790_000_000_000_000_000 && root.end - root.start == 700_000_000)
            #expect(export.parentForOthers == "00-\(root.traceID)-\(root.id)-01")
            #expect(root.attributes["lian.workspace"] == "acme" && root.attributes["lian.status"] == "succeeded")
            #expect(root.resource["service.name"] == "lian-build")

            func below(_ parent: TracedSpan) -> [String] { spans.filter { $0.parent == parent.id }.map(\.name) }
            #expect(below(root) == ["attempt 1", "attempt 2", "resolve", "teardown", "teardown"])
            let attempts = spans.filter { $0.name.hasPrefix("attempt ") }
            #expect(attempts.map(below) == [["build"], ["build"]])
            #expect(attempts.map(\.failure) == ["oom", nil] && attempts.map(\.events) == [["out of memory"], []])
            #expect(attempts.map { $0.attributes["lian.registry_retries"] } == [0, 2])
            #expect(attempts[1].attributes["lian.runner.memory_gb"]?.doubleValue == 4)
            #expect(attempts.map { $0.attributes["lian.runner.id"] } == [nil, "r-2"])
            let builds = spans.filter { $0.name == "build" }
            #expect(builds.map(below) == [["[1/1] RUN make"], ["[1/2] FROM a", "[2/2] RUN  [1mmake all"]])
            let steps = spans.filter { $0.attributes["lian.artifact"] == "app" }
            #expect(steps.map { $0.attributes["lian.step.cached"] } == [false, true, false])
            #expect(steps.map(\.failure) == ["failed", nil, nil])
            #expect(steps[2].end - steps[2].start == 300_000_000)
        }
    }

    private static let python = Project.python(with: "opentelemetry-proto==1.45.2")

    @Test(.enabled(if: python != nil, "there is no opentelemetry-proto: scripts/test installs it"))
    func openTelemetrysOwnReaderTakesIt() async throws {
        try await withTraceCollector { collector in
            #expect(try await export(collector).finish(record()) == nil)
            let result = try await run(
                Command(
                    try #require(Self.python), [Project.root.appending(path: "Tests/Fixtures/otlp_peer.py").path],
                    environment: [:]),
                input: .bytes(try #require(collector.requests.last?.body)), deadline: .seconds(300))
            try #require(result.termination.isSuccess, "\(result.errorText)")
            // No name of a span has a line break.
            #expect(result.outputText.split(separator: "\n").map(String.init) == (try collector.spans().map(\.name)))
        }
    }

    @Test func ofABuildThatNeverHadARunner() async throws {
        try await withTraceCollector { collector in
            var envelope = ResultEnvelope(status: .failed)
            envelope.error = LianError(.dockerfileMissing, .resolve, "there is no Dockerfile", hint: "Name it.")
            let record = BuildRecord(begun: UTCTime(milliseconds: 1_790_000_000_000), envelope: envelope)
            #expect(try await export(collector).finish(record) == nil)
            let spans = try collector.spans()
            #expect(spans.map(\.name) == ["lian-build"] && spans[0].parent == nil)
            #expect(spans[0].failure == "there is no Dockerfile")
            #expect(spans[0].attributes["error.type"] == "dockerfile_missing")
        }
    }

    /// Whatever a collector says, no key of the caller's is in the warning.
    @Test(arguments: [
        (ScriptedHTTPServer.Reply.json(403, ["message": "hunter22"]), "answered 403"),
        (
            .json(200, ["partialSuccess": ["rejectedSpans": "2", "errorMessage": "no hunter22"]]),
            "refused 2 of the spans: no ***"
        ),
        (.answer(302, headers: ["Location": "http://127.0.0.1:1/"]), "answered 302"),
        (.reset, "the connection was lost"), (.truncated(200, Array("{}".utf8)), "the connection was lost"),
    ])
    func refusals(_ reply: ScriptedHTTPServer.Reply, said: String) async throws {
        for scheme in ["", "Bearer%20"] { try await refusal(reply, said: said, scheme) }
    }

    private func refusal(_ reply: ScriptedHTTPServer.Reply, said: String, _ scheme: String) async throws {
        try await withTraceCollector([reply]) { collector in
            let export = try export(collector, ["OTEL_EXPORTER_OTLP_HEADERS": "authorization=\(scheme)hunter22"])
            let warning = try #require(await export.finish(record()))
            #expect(warning.code == .traceNotSent && warning.message.contains(said), "\(warning.message)")
            #expect(warning.message.contains("\(collector.server.url)/v1/traces"))
            #expect(!warning.message.contains("hunter22"))
            // One that takes nothing is not sent the trace.
            #expect(try collector.spans().isEmpty)
        }
    }

    @Test func aCollectorThatTakesPartOfIt() async throws {
        let partial: JSONValue = ["partialSuccess": ["rejectedSpans": 1, "errorMessage": "too old"]]
        try await withTraceCollector([.json(200, ["partialSuccess": [:]]), .json(200, partial)]) { collector in
            let warning = try await export(collector).finish(record())
            #expect(warning?.message.hasSuffix(" refused 1 of the spans: too old") == true, "\(warning?.message ?? "")")
        }
    }

    @Test func overTLS() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            let server = try await TLSServer.start(try await authority.server(), .tells, in: folder)
            defer { server.stop() }
            func export(_ more: [String: String] = [:]) throws -> TraceExport {
                let own = ["OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_TIMEOUT": "600000"]
                return try #require(TraceExport(environment: own.merging(more) { $1 }))
            }
            let warning = try await export().finish(record())
            #expect(warning?.message.contains("its certificate does not hold") == true, "\(warning?.message ?? "")")
            #expect(!server.output.contains("POST"))

            let trusting = try export(["OTEL_EXPORTER_OTLP_CERTIFICATE": authority.certificate])
            #expect(await eventually { server.output.contains("POST /v1/traces HTTP/1.1") })
            // It never answers.
            trusting.giveUp()
            #expect(await trusting.finish(record())?.code == .traceNotSent)
        }
    }

    /// Ended twice, a build waits for nobody.
    @Test func givenUp() async throws {
        try await withTraceCollector([.hang]) { collector in
            let export = try export(collector)
            #expect(await eventually { collector.requests.count == 1 })
            async let warning = export.finish(record())
            export.giveUp()
            #expect(await warning?.code == .traceNotSent)
        }
        try await withTraceCollector([.json(200, [:]), .hang]) { collector in
            let export = try export(collector)
            async let warning = export.finish(record())
            #expect(await eventually { collector.requests.count == 2 })
            export.giveUp()
            #expect(await warning?.code == .traceNotSent)
        }
    }

    @Test func whatCannotBeUsedIsAWarning() async throws {
        #expect(TraceExport(environment: [:]) == nil)
        let export = try #require(TraceExport(environment: ["OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"]))
        #expect(export.parentForOthers == nil)
        let warning = await export.finish(record())
        #expect(
            warning?.message
                == "no trace is sent: OTEL_EXPORTER_OTLP_ENDPOINT must start with http:// or https://, "
                + "like http://localhost:4318")
    }
}
