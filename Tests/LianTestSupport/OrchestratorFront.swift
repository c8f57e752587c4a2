import LianModel
import Synchronization

/// Stands before a real orchestrator: passes each request on, and puts a proxy that can fail before each runner. Some
/// answers it can be told to spoil, for one workspace each. The orchestrator may be killed and started again behind it.
package final class OrchestratorFront: Sendable {
    package enum Fault: Sendable {
        /// Nothing is done, and 503 says so.
        case busy
        /// Nothing is done, and 500 says so.
        case broken
        /// It is done, and nobody is told.
        case lost
    }

    /// A runner as it went by.
    package struct Runner: Sendable {
        package let id: String
        package let workspace: String
    }

    private struct Spot: Hashable {
        let route: OrchestratorRoute
        let workspace: String
    }

    private struct State {
        var runners: [Runner] = []
        var proxies: [String: FaultProxy] = [:]
        var leases: [String: Int] = [:]
        var faults: [Spot: [Fault]] = [:]
    }

    private let orchestrator: Orchestrator
    private let server: ScriptedHTTPServer
    private let state = Mutex(State())

    package init(of orchestrator: Orchestrator) throws {
        self.orchestrator = orchestrator
        server = try ScriptedHTTPServer()
        for route in OrchestratorRoute.allCases {
            server.on(route.target.method, route.target.path) { [weak self] request, _ in
                self?.reply(route, request) ?? .reset
            }
        }
    }

    package var url: String { server.url }

    package func stop() { server.stop() }

    /// Every runner that was spawned through it, in order.
    package var runners: [Runner] { state.withLock(\.runners) }

    /// The way to the workspace's latest runner; nil before it has an address.
    package func proxy(of workspace: String) -> FaultProxy? {
        state.withLock { state in
            state.runners.last { $0.workspace == workspace }.flatMap { state.proxies[$0.id] }
        }
    }

    /// What becomes of the workspace's next requests on this route, in sequence.
    package func spoil(_ route: OrchestratorRoute, of workspace: String, _ faults: [Fault]) {
        state.withLock { $0.faults[Spot(route: route, workspace: workspace)] = faults }
    }

    /// The workspace's runners are asked for with this lease, in the place of the one that was asked for.
    package func setLease(_ seconds: Int, of workspace: String) {
        state.withLock { $0.leases[workspace] = seconds }
    }

    /// What came in on a route, in order.
    package func requests(_ route: OrchestratorRoute) -> [ScriptedHTTPServer.Request] {
        server.requests(route.target.method, route.target.path)
    }

    private func reply(_ route: OrchestratorRoute, _ request: ScriptedHTTPServer.Request) -> ScriptedHTTPServer.Reply {
        let workspace = workspace(route, request)
        let fault = state.withLock { state -> Fault? in
            let spot = Spot(route: route, workspace: workspace)
            guard let fault = state.faults[spot]?.first else { return nil }
            state.faults[spot]?.removeFirst()
            return fault
        }
        switch fault {
        case .busy: return .failure(503, code: "busy", message: "not now", headers: ["Retry-After": "1"])
        case .broken: return .failure(500, code: "internal", message: "something is broken")
        case .lost, nil: break
        }
        // A dead orchestrator, or one that dies now, is a connection that breaks.
        guard let answer = try? pass(request, body: body(route, request, workspace)) else { return .reset }
        let told = (try? withProxy(answer.json, workspace)) ?? answer.json
        if case .lost = fault { return .reset }
        return .json(answer.status, told)
    }

    private func workspace(_ route: OrchestratorRoute, _ request: ScriptedHTTPServer.Request) -> String {
        let part = request.path.split(separator: "/").dropFirst(3).first.map { String($0) } ?? ""
        return switch route {
        case .spawn: request.json?["workspace"]?.stringValue ?? ""
        case .p95, .metrics: part
        case .health: ""
        case .poll, .destroy, .heartbeat, .keep: runners.first { $0.id == part }?.workspace ?? ""
        }
    }

    private func body(_ route: OrchestratorRoute, _ request: ScriptedHTTPServer.Request, _ workspace: String) -> [UInt8]
    {
        guard route == .spawn, let lease = state.withLock({ $0.leases[workspace] }),
            var order = request.json?.objectValue
        else { return request.body }
        order["lease_seconds"] = .integer(lease)
        return JSONValue.object(order).encodedBytes()
    }

    private func pass(_ request: ScriptedHTTPServer.Request, body: [UInt8]) throws -> PlainHTTPResponse? {
        let connection = try PlainHTTPConnection(port: orchestrator.port)
        let kept = request.headers.filter { ["authorization", "idempotency-key", "content-type"].contains($0.key) }
        let target = request.query.isEmpty ? request.path : "\(request.path)?\(request.query)"
        _ = connection.send(PlainHTTPConnection.request(request.method, target, headers: kept, body: body))
        return try connection.receive()
    }

    private func withProxy(_ answer: JSONValue, _ workspace: String) throws -> JSONValue {
        guard var members = answer.objectValue, var runner = members["data"]?.objectValue,
            let id = runner["runner_id"]?.stringValue
        else { return answer }
        return try state.withLock { state in
            if !state.runners.contains(where: { $0.id == id }) {
                state.runners.append(Runner(id: id, workspace: workspace))
            }
            guard let port = runner["port"]?.intValue else { return answer }
            let proxy = try state.proxies[id] ?? FaultProxy(to: port)
            state.proxies[id] = proxy
            runner["port"] = .integer(proxy.port)
            members["data"] = .object(runner)
            return .object(members)
        }
    }
}
