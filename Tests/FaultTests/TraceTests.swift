import Foundation
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 66: a trace does not arrive. The build's result is the same, and it is no later for it.
    @Suite struct TraceTests {
        enum Collector: String, CaseIterable {
            case absent, silent, slow, refusing, unusable

            var replies: [ScriptedHTTPServer.Reply] {
                switch self {
                case .absent, .unusable, .silent: [.hang]
                case .slow: [.json(200, [:], after: .seconds(600))]
                case .refusing: [.failure(503, code: "busy", message: "no")]
                }
            }
        }

        @Test(
            "row 66: a trace collector that is absent, silent, slow, refusing or misnamed",
            arguments: Collector.allCases)
        func noTraceArrives(_ kind: Collector) async throws {
            try await withRunner { scene, runner, _ in
                try await withTraceCollector(kind.replies) { collector in
                    let endpoint =
                        switch kind {
                        case .absent: "http://127.0.0.1:\(try refusingPort())"
                        case .unusable: "grpc://127.0.0.1:\(collector.server.port)"
                        case .silent, .slow, .refusing: collector.server.url
                        }
                    let environment = ["OTEL_EXPORTER_OTLP_ENDPOINT": endpoint]
                    let begun = ContinuousClock.now
                    let build = try await scene.build(environment: environment)
                    #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                    #expect(build.warningCodes == ["trace_not_sent"], "\(build.story)")
                    try runner.setEngine("echo '#1 [1/1] RUN make'; exit 3")
                    let failed = try await scene.build(environment: environment)
                    #expect(failed.status == 1 && failed.errorCode == "build_failed", "\(failed.story)")
                    #expect(failed.warningCodes == ["trace_not_sent"], "\(failed.story)")
                    // Each would take ten minutes if the collector were waited for.
                    #expect(ContinuousClock.now - begun < .seconds(300))
                    // One that takes nothing is asked whether it does, and gets no trace.
                    #expect(collector.requests.count <= 2)
                    #expect(try collector.spans().isEmpty)
                }
            }
        }

        @Test("row 66: a collector that goes silent in mid-build") func goesSilent() async throws {
            try await withRunner { scene, _, _ in
                try await withTraceCollector([.json(200, [:]), .hang]) { collector in
                    let build = try await scene.build(
                        environment: ["OTEL_EXPORTER_OTLP_ENDPOINT": collector.server.url])
                    #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                    #expect(build.warningCodes == ["trace_not_sent"], "\(build.story)")
                }
            }
        }

        /// A step that shows a secret, and a collector that wants a key: neither goes where it should not.
        @Test("row 66: no secret is in a trace, and the runner learns of no key") func secrets() async throws {
            try await withRunner { scene, runner, _ in
                try await withTraceCollector { collector in
                    try runner.setEngine(
                        """
                        echo "#1 [1/1] RUN echo \(scene.secrets.buildSecret)"
                        echo "#1 0.1 parent $TRACEPARENT"
                        echo "#1 0.1 keys $(env | grep -c OTEL_)"
                        echo "#1 ERROR: \(scene.secrets.buildSecret) is no word"
                        exit 3
                        """)
                    let build = try await scene.build(
                        environment: collector.environment.merging([
                            "OTEL_EXPORTER_OTLP_HEADERS": "x-key=planted-key-77"
                        ]) {
                            $1
                        })
                    #expect(build.status == 1 && build.warningCodes == [], "\(build.story)")
                    #expect(build.errorText.contains(" keys 0\n"), "\(build.errorText)")
                    let spans = try collector.spans()
                    let root = try #require(spans.first { $0.parent == nil })
                    #expect(build.errorText.contains(" parent 00-\(root.traceID)-\(root.id)-01\n"))
                    #expect(spans.contains { $0.name == "[1/1] RUN echo ***" && $0.failure == "failed" })
                    for request in collector.requests { #expect(scene.secrets.found(in: Data(request.body)).isEmpty) }
                    #expect(!build.story.contains("planted-key-77"))
                }
            }
        }

        /// It hears the signals that end a build.
        private static let waitingEngine = "echo '#1 [1/1] RUN wait'; echo '#1 0.1 begun'; sleep 600 & wait"

        @Test("row 66: a build that is ended has its trace") func ended() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(Self.waitingEngine)
                try await withTraceCollector { collector in
                    let running = try scene.start(environment: collector.environment)
                    try await running.says(" begun\n")
                    running.signal(SIGTERM)
                    let build = try await scene.finish(running)
                    #expect(build.status == 143 && build.warningCodes == [], "\(build.story)")
                    let spans = try collector.spans()
                    #expect(spans.first { $0.parent == nil }?.attributes["lian.status"] == "cancelled")
                    #expect(spans.contains { $0.name == "[1/1] RUN wait" })
                }
            }
        }

        /// It would be waited for for ten minutes.
        @Test("row 66: a build that is ended once more waits for no collector") func endedTwice() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(Self.waitingEngine)
                try await withTraceCollector([.json(200, [:]), .hang]) { collector in
                    let running = try scene.start(environment: collector.environment)
                    try await running.says(" begun\n")
                    running.signal(SIGTERM)
                    #expect(await eventually { collector.requests.count == 2 })
                    running.signal(SIGTERM)
                    let build = try await scene.finish(running)
                    #expect(build.status == 143 && build.warningCodes == ["trace_not_sent"], "\(build.story)")
                }
            }
        }
    }
}
