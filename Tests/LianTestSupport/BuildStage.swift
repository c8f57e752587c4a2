/// The servers of real builds: the orchestrator with a build engine, Docker's BuildKit where no other is asked for, a
/// registry, a NATS server.
package struct BuildStage: Sendable {
    package let orchestrator: Orchestrator
    package let registry: Registry
    package let nats: NATSServer
    package let events: NATSSubscriber
}

/// Sets them up for the length of the body, and looks afterwards whether any runner left anything. The environment is
/// the orchestrator's.
package func withBuildStage<Result>(
    engine: String = "dockerd", diskKilobytes: Int? = nil, flags: [String] = [], environment: [String: String] = [:],
    authority: TestAuthority? = nil,
    _ body: (BuildStage) async throws -> Result
) async throws -> Result {
    try await withNATSServer { nats in
        let events = try await NATSSubscriber(port: nats.port)
        defer { events.stop() }
        return try await withRegistry { registry in
            try await withOrchestrator(
                diskKilobytes: diskKilobytes, engine: engine, flags: flags, environment: environment,
                authority: authority
            ) { orchestrator in
                try await body(
                    BuildStage(orchestrator: orchestrator, registry: registry, nats: nats, events: events))
            }
        }
    }
}
