import Foundation
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// OTEL_EXPORTER_OTLP_ENDPOINT, with a real engine: what a trace tells of a build.
    @Suite struct TraceTests {
        private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

        @Test func ofABuildWithCachedSteps() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo made > /made\n")
                let first = try await scene.build(context: context)
                try #require(first.status == 0, "\(first.story)")
                try await withTraceCollector { collector in
                    let build = try await scene.build(
                        context: context,
                        environment: collector.environment.merging(["TRACEPARENT": Self.parent]) { $1 })
                    try #require(build.status == 0 && build.warningCodes == [], "\(build.story)")
                    let spans = try collector.spans()
                    #expect(Set(spans.map(\.traceID)) == ["0af7651916cd43dd8448eb211c80319c"])
                    let root = try #require(spans.first { $0.parent == "b7ad6b7169203331" })
                    #expect(root.attributes["lian.build_id"] == build["build_id"] && root.failure == nil)
                    #expect(root.attributes["lian.workspace"]?.stringValue == scene.workspace)
                    let ids = Set(spans.map(\.id))
                    #expect(spans.allSatisfy { $0.id == root.id || ids.contains($0.parent ?? "") })
                    let attempt = try #require(spans.first { $0.name == "attempt 1" })
                    #expect(attempt.attributes["lian.runner.id"]?.stringValue == build.runnerID)
                    let phases = spans.filter { $0.parent == attempt.id }.map(\.name)
                    #expect(phases == ["spawn", "connect", "sync", "build"])
                    let cached = spans.filter { $0.attributes["lian.step.cached"] == true }
                    #expect(cached.count == build.cachedSteps && !cached.isEmpty)
                    #expect(spans.allSatisfy { $0.start >= root.start && $0.end <= root.end })
                }
            }
        }

        @Test func ofARetryAfterOutOfMemory() async throws {
            try await withScene { scene in
                _ = try scene.context(Scene.shell + "RUN busybox dd if=/dev/zero of=/dev/null bs=800M count=1\n")
                let directives = try scene.directives(tiers: [("small", 0.5), ("large", 1.5)])
                try await withTraceCollector { collector in
                    let build = try await scene.build(
                        ["--directives", directives], environment: collector.environment)
                    try #require(build.status == 0, "\(build.story)")
                    let attempts = try collector.spans().filter { $0.name.hasPrefix("attempt ") }
                    #expect(attempts.map { $0.attributes["lian.outcome"] } == ["oom", "succeeded"])
                    #expect(attempts.map { $0.attributes["lian.runner.tier"] } == ["small", "large"])
                    #expect(attempts.map { $0.attributes["lian.runner.memory_gb"]?.doubleValue } == [0.5, 1.5])
                    #expect(attempts.first?.events == ["out of memory"])
                }
            }
        }

        @Test func ofAStepThatFails() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN exit 3\n")
                try await withTraceCollector { collector in
                    let build = try await scene.build(context: context, environment: collector.environment)
                    #expect(build.status == 1, "\(build.story)")
                    let spans = try collector.spans()
                    let root = try #require(spans.first { $0.parent == nil })
                    #expect(root.attributes["error.type"] == "build_failed" && root.failure == build.message)
                    #expect(spans.contains { $0.name.hasSuffix("RUN exit 3") && $0.failure == "failed" })
                }
            }
        }

        /// What was refused before anything was built, and what nobody asked to be built.
        @Test func withoutARunner() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\n")
                try await withTraceCollector { collector in
                    let refused = try await scene.build(
                        context: context, ["--dockerfile", "None"], environment: collector.environment)
                    #expect(refused.status == 2, "\(refused.story)")
                    #expect(try collector.spans().map(\.name) == ["lian-build", "resolve"])
                    let planned = try await scene.build(
                        context: context, ["--dry-run"], environment: collector.environment)
                    #expect(planned.status == 0 && collector.requests.count == 2, "\(planned.story)")
                }
            }
        }
    }
}
