import LianTestSupport
import Testing

/// The real programs against real parts: lian-build, the reference orchestrator with Docker's BuildKit behind its
/// buildctl, a registry, a NATS server. One build at a time, unless a test says otherwise: each looks at all that is
/// left behind.
@Suite(
    .serialized, .staged,
    .needsDockerEngine,
    .needsNATSServer)
enum EndToEnd {}

typealias Scene = BuildScene

/// Runs a test's body on the stage, and looks afterwards whether all is in order.
func withScene(_ body: (Scene) async throws -> Void) async throws {
    try await withBuildScene(on: try #require(StageTrait.current), body)
}

/// Sets the stage, which all these builds share, once for a whole suite.
struct StageTrait: SuiteTrait, TestScoping {
    /// As lian-orchestrator's `--engine` names it.
    let engine: String

    @TaskLocal static var current: BuildStage?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withBuildStage(engine: engine) { stage in
            try await Self.$current.withValue(stage, operation: function)
        }
    }
}

extension Trait where Self == StageTrait {
    static var staged: StageTrait { staged(engine: "dockerd") }

    static func staged(engine: String) -> StageTrait { StageTrait(engine: engine) }
}
