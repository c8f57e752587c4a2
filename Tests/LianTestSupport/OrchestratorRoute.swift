/// What a client may ask of an orchestrator.
package enum OrchestratorRoute: String, CaseIterable, Sendable {
    case spawn, poll, destroy, heartbeat, keep, p95, metrics, health

    /// As ScriptedHTTPServer names it.
    var target: (method: String, path: String) {
        switch self {
        case .spawn: ("POST", "/api/v1/runners")
        case .poll: ("GET", "/api/v1/runners/*")
        case .destroy: ("DELETE", "/api/v1/runners/*")
        case .heartbeat: ("POST", "/api/v1/runners/*/heartbeat")
        case .keep: ("POST", "/api/v1/runners/*/keep")
        case .p95: ("GET", "/api/v1/workspaces/*/p95")
        case .metrics: ("POST", "/api/v1/workspaces/*/metrics")
        case .health: ("GET", "/healthz")
        }
    }
}
