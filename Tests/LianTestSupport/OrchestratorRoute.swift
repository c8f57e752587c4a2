/// What a client may ask of an orchestrator.
package enum OrchestratorRoute: String, CaseIterable, Sendable {
    case spawn, poll, destroy, heartbeat, p95, metrics

    /// As ScriptedHTTPServer names it.
    var target: (method: String, path: String) {
        switch self {
        case .spawn: ("POST", "/api/v1/runners")
        case .poll: ("GET", "/api/v1/runners/*")
        case .destroy: ("DELETE", "/api/v1/runners/*")
        case .heartbeat: ("POST", "/api/v1/runners/*/heartbeat")
        case .p95: ("GET", "/api/v1/workspaces/*/p95")
        case .metrics: ("POST", "/api/v1/workspaces/*/metrics")
        }
    }
}
