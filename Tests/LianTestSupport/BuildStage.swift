/// The servers of real builds: the orchestrator with a build engine, Docker's BuildKit where no other is asked for, a
/// registry, a NATS server.
package struct BuildStage: Sendable {
    package let orchestrator: Orchestrator
    package let registry: Registry
    package let nats: NATSServer
    package let events: NATSSubscriber
}

/// Sets them up for the length of the body, and looks afterwards whether any runner left anything. The environment and
/// the flags are the orchestrator's; `moreFlags` are those that need the registry.
package func withBuildStage<Result>(
    engine: String = "dockerd", stateLength: Int? = nil, diskKilobytes: Int? = nil, flags: [String] = [],
    environment: [String: String] = [:], authority: TestAuthority? = nil,
    moreFlags: (Registry) async throws -> [String] = { _ in [] },
    _ body: (BuildStage) async throws -> Result
) async throws -> Result {
    try await withNATSServer { nats in
        let events = try await NATSSubscriber(port: nats.port)
        defer { events.stop() }
        return try await withRegistry { registry in
            let flags = try await flags + moreFlags(registry)
            return try await withOrchestrator(
                stateLength: stateLength, diskKilobytes: diskKilobytes, engine: engine, flags: flags,
                environment: environment, authority: authority
            ) { orchestrator in
                try await body(
                    BuildStage(orchestrator: orchestrator, registry: registry, nats: nats, events: events))
            }
        }
    }
}
