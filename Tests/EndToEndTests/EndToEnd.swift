import LianTestSupport
import Testing

/// The real programs against real parts: lian-build, the reference orchestrator with Docker's BuildKit behind its
/// buildctl, a registry, a NATS server. One build at a time, unless a test says otherwise: each looks at all that is
/// left behind.
@Suite(
    .serialized, .staged,
    .enabled("a Docker engine can be started: root, dockerd and a client") { await DockerEngine.missing() == nil },
    .enabled(if: NATSServer.executable != nil, "there is no nats-server"))
enum EndToEnd {}

/// The servers that all these builds share.
struct Stage: Sendable {
    let orchestrator: Orchestrator
    let registry: Registry
    let nats: NATSServer
    let events: NATSSubscriber

    @TaskLocal static var current: Stage?

    static func with(engine: String, _ body: @Sendable () async throws -> Void) async throws {
        try await withNATSServer { nats in
            let events = try await NATSSubscriber(port: nats.port)
            defer { events.stop() }
            try await withRegistry { registry in
                try await withOrchestrator(engine: engine) { orchestrator in
                    let stage = Stage(orchestrator: orchestrator, registry: registry, nats: nats, events: events)
                    try await $current.withValue(stage, operation: body)
                }
            }
        }
    }
}

/// Sets the stage once for a whole suite.
struct StageTrait: SuiteTrait, TestScoping {
    /// As lian-orchestrator's `--engine` names it.
    let engine: String

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await Stage.with(engine: engine, function)
    }
}

extension Trait where Self == StageTrait {
    static var staged: StageTrait { staged(engine: "dockerd") }

    static func staged(engine: String) -> StageTrait { StageTrait(engine: engine) }
}
