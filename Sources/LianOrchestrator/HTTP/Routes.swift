import LianModel

/// The API of schemas/orchestrator.openapi.yaml: a request in, an answer out.
package struct Routes: Sendable {
    private let fleet: Fleet
    private let volumes: Volumes?
    private let store: Store
    private let token: BearerToken
    private let log: EventLog
    private let bodyReaders = WorkerPool(limit: 4)
    private let waits = WorkerPool(limit: 64)
    private let deletions = WorkerPool(limit: 32)
    private let keeps = WorkerPool(limit: 32)

    package init(fleet: Fleet, volumes: Volumes?, store: Store, token: BearerToken, log: EventLog) {
        self.fleet = fleet
        self.volumes = volumes
        self.store = store
        self.token = token
        self.log = log
    }

    /// The answer for a client that has not shown the token, from the request's headers alone; nil for one that has. A
    /// body that is too long to be read to its end is refused here as well.
    package func answerAtHeaders(of request: IncomingRequest) -> OutgoingResponse? {
        if token.admits(authorization: request.authorization) {
            return request.bodyProblem == nil ? nil : APIProblem.bodyTooLarge.response
        }
        return answer(to: request) {
            guard case .health = try resource(of: request).resource else {
                throw APIProblem(
                    401, "unauthorized", "this needs the orchestrator's token as a bearer token (ORCHESTRATOR_TOKEN)",
                    headers: ["WWW-Authenticate": "Bearer"])
            }
            return health()
        }
    }

    /// Answers a request that has shown the token. Slow work is done on other threads. Each kind of work has threads of
    /// its own: however many clients wait for runners to come or to go, a heartbeat does not wait behind them.
    package func answer(_ request: IncomingRequest) -> HTTPServer.Reply {
        let answer = { @Sendable (mayWait: Bool) -> OutgoingResponse in
            self.answer(to: request) { try route(request, mayWait: mayWait) }
        }
        switch try? resource(of: request) {
        case (.runner, _)? where request.method == "DELETE", (.volume, _)?:
            return .later { respond in deletions.add { respond(answer(false)) } }
        case (.runner, let query)? where query.contains { $0.name == "wait" }:
            return .later { respond in
                // If too many wait already, the runner is reported as it is, and its client asks again after a pause.
                if !waits.addIfFree({ respond(answer(true)) }) { respond(answer(false)) }
            }
        case (.keep, _)?:
            return .later { respond in keeps.add { respond(answer(false)) } }
        default: break
        }
        if request.body.isEmpty { return .now(answer(false)) }
        return .later { respond in bodyReaders.add { respond(answer(false)) } }
    }

    private func answer(to request: IncomingRequest, _ body: () throws -> OutgoingResponse) -> OutgoingResponse {
        do {
            return try body()
        } catch let problem as APIProblem {
            return problem.response
        } catch {
            log.error("request_failed", "\(request.method) \(request.target): \(error)")
            return APIProblem(500, "internal", "the orchestrator could not do this; its log says why").response
        }
    }
}

/// A refusal in the form that the API prescribes.
struct APIProblem: Error {
    let status: Int
    let code: String
    let message: String
    var headers: [String: String]

    init(_ status: Int, _ code: String, _ message: String, headers: [String: String] = [:]) {
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
    }

    var response: OutgoingResponse {
        OutgoingResponse(status: status, body: ApiResponse.failure(code: code, message: message), headers: headers)
    }

    static func invalid(_ message: String) -> APIProblem { APIProblem(400, "invalid_request", message) }

    static func noRunner(_ id: String) -> APIProblem {
        APIProblem(404, "not_found", "there is no runner '\(id)'; it may have been destroyed")
    }

    static func gone(_ id: String, _ reason: String) -> APIProblem {
        APIProblem(410, "gone", "runner '\(id)' is gone: \(reason)")
    }

    static let bodyTooLarge = APIProblem(
        413, "payload_too_large", "the body may have \(HTTPServer.bodyLimit) bytes at most")

    /// For a request or an answer that is not small, while others use up the memory for them.
    static let noRoom = APIProblem(
        503, "unavailable", "the orchestrator has too much to read and to send at once; try again",
        headers: ["Retry-After": "1"])
}

/// The thing that a path names.
private enum Resource {
    case health, runners, runner(String), heartbeat(String), keep(String), volumes, volume(String)
    case p95(String), metrics(String)

    init?(_ path: [String]) {
        switch path.count {
        case 1 where path == ["healthz"]: self = .health
        case 3 where path == ["api", "v1", "runners"]: self = .runners
        case 4 where path[..<3] == ["api", "v1", "runners"]: self = .runner(path[3])
        case 5 where path[..<3] == ["api", "v1", "runners"] && path[4] == "heartbeat": self = .heartbeat(path[3])
        case 5 where path[..<3] == ["api", "v1", "runners"] && path[4] == "keep": self = .keep(path[3])
        case 3 where path == ["api", "v1", "volumes"]: self = .volumes
        case 4 where path[..<3] == ["api", "v1", "volumes"]: self = .volume(path[3])
        case 5 where path[..<3] == ["api", "v1", "workspaces"] && path[4] == "p95": self = .p95(path[3])
        case 5 where path[..<3] == ["api", "v1", "workspaces"] && path[4] == "metrics": self = .metrics(path[3])
        default: return nil
        }
    }

    var methods: [String] {
        switch self {
        case .health, .p95, .volumes: ["GET"]
        case .runners: ["GET", "POST"]
        case .runner: ["DELETE", "GET"]
        case .volume: ["DELETE"]
        case .heartbeat, .keep, .metrics: ["POST"]
        }
    }
}

extension Routes {
    /// The thing that is asked for; throws where there is no such thing.
    private func resource(
        of request: IncomingRequest
    ) throws(APIProblem) -> (resource: Resource, query: [(name: String, value: String)]) {
        guard let target = RequestTarget(request.target) else {
            throw .invalid("the request's path or query has a broken percent escape")
        }
        guard let resource = Resource(target.path) else {
            throw APIProblem(404, "not_found", "there is nothing at this path")
        }
        guard resource.methods.contains(request.method) else {
            throw APIProblem(
                405, "method_not_allowed", "this path answers \(resource.methods.joined(separator: " and ")) only",
                headers: ["Allow": resource.methods.joined(separator: ", ")])
        }
        return (resource, target.query)
    }

    private func route(_ request: IncomingRequest, mayWait: Bool) throws -> OutgoingResponse {
        let (resource, query) = try resource(of: request)
        switch resource {
        case .health: return health()
        case .runners where request.method == "POST": return try spawn(request)
        case .runners: return try list(query)
        case .runner(let id) where request.method == "DELETE": return try destroy(Self.runnerID(id))
        case .runner(let id): return try show(Self.runnerID(id), query, mayWait: mayWait)
        case .heartbeat(let id): return try heartbeat(Self.runnerID(id))
        case .keep(let id): return try keep(request, Self.runnerID(id))
        case .volumes: return try listVolumes(query)
        case .volume(let name): return try deleteVolume(name)
        case .p95(let workspace): return try p95(Self.workspace(workspace))
        case .metrics(let workspace): return try record(request, Self.workspace(workspace))
        }
    }

    private func health() -> OutgoingResponse {
        var health: [String: JSONValue] = [
            "status": "ok", "version": .string(lianBuildVersion), "provider": .string(fleet.providerName),
            "engine": .string(fleet.engineName), "volumes": .string(fleet.volumeSupport.rawValue),
        ]
        if let problem = fleet.problem {
            health["status"] = "degraded"
            health["reason"] = .string(problem)
        }
        return success(.object(health))
    }

    private func spawn(_ request: IncomingRequest) throws -> OutgoingResponse {
        guard let key = request.idempotencyKey, Self.isIdempotencyKey(key) else {
            throw APIProblem.invalid(
                "the header Idempotency-Key is required: 8 to 128 of A-Z, a-z, 0-9, '.', '_', ':' and '-'")
        }
        let order = try body(of: request, as: SpawnRequest.init)
        switch try fleet.spawn(order, key: key) {
        case .created(let runner):
            log.info(
                "spawn", "spawning runner \(runner.runnerID) for \(order.workspace)",
                [
                    "runner_id": .string(runner.runnerID), "workspace": .string(order.workspace),
                    "build_id": .string(order.buildID), "size": order.size.json,
                ])
            return success(runner.json, status: 201)
        case .known(let runner):
            return success(runner.json)
        case .keyIsTaken:
            throw APIProblem(409, "conflict", "this Idempotency-Key was used for another request before")
        case .unservable(let reason):
            throw APIProblem(422, "unservable", reason)
        case .full:
            throw APIProblem(
                429, "capacity", "all runners that this orchestrator may have are taken", headers: ["Retry-After": "5"])
        case .stopping:
            throw APIProblem(503, "unavailable", "the orchestrator is stopping", headers: ["Retry-After": "10"])
        }
    }

    private func list(_ query: [(name: String, value: String)]) throws -> OutgoingResponse {
        let workspace = try parameter("workspace", in: query).map(Self.workspace)
        return success(fleet.runners(of: workspace).json)
    }

    private func show(
        _ id: String, _ query: [(name: String, value: String)], mayWait: Bool
    ) throws -> OutgoingResponse {
        var wait = 0
        if let text = try parameter("wait", in: query) {
            guard let seconds = Int(text), (0...30).contains(seconds), text.utf8.allSatisfy(Identifier.isDigit) else {
                throw APIProblem.invalid("wait must be a whole number of seconds from 0 to 30")
            }
            wait = seconds
        }
        let limit: Duration = mayWait ? .seconds(wait) : .zero
        guard let runner = try fleet.runner(id, waitingAtMost: limit) else { throw APIProblem.noRunner(id) }
        return success(runner.json)
    }

    private func destroy(_ id: String) throws -> OutgoingResponse {
        switch try fleet.destroy(id, reason: "destroyed by its client") {
        case .gone(let runner): return success(runner.json)
        case .unknown: throw APIProblem.noRunner(id)
        case .failed(let reason):
            throw APIProblem(500, "internal", "runner '\(id)' could not be cleared away yet: \(reason)")
        }
    }

    private func heartbeat(_ id: String) throws -> OutgoingResponse {
        switch try fleet.heartbeat(id) {
        case .renewed(let runner): return success(runner.json)
        case .unknown: throw APIProblem.noRunner(id)
        case .gone(let reason): throw APIProblem.gone(id, reason)
        }
    }

    private func keep(_ request: IncomingRequest, _ id: String) throws -> OutgoingResponse {
        let order = try body(of: request, as: KeepRequest.init)
        switch try fleet.keep(id, order) {
        case .answered(let kept): return success(kept.json)
        case .notReady: throw APIProblem(409, "not_ready", "runner '\(id)' is not ready: it has nothing to keep")
        case .unknown: throw APIProblem.noRunner(id)
        case .gone(let reason): throw APIProblem.gone(id, reason)
        }
    }

    private func listVolumes(_ query: [(name: String, value: String)]) throws -> OutgoingResponse {
        let workspace = try parameter("workspace", in: query).map(Self.workspace)
        return success((volumes?.list(workspace: workspace) ?? []).json)
    }

    private func deleteVolume(_ text: String) throws -> OutgoingResponse {
        guard let name = VolumeName(text) else { throw APIProblem.invalid("a volume's name \(VolumeName.rule)") }
        guard volumes?.delete(name) == true else {
            throw APIProblem(404, "not_found", "there is no volume '\(name)'")
        }
        return success(nil)
    }

    private func p95(_ workspace: String) throws -> OutgoingResponse {
        success(try store.history(of: workspace).json)
    }

    private func record(_ request: IncomingRequest, _ workspace: String) throws -> OutgoingResponse {
        try store.keep(try body(of: request, as: MetricsReport.init), of: workspace)
        return success(nil, status: 202)
    }

    private func success(_ data: JSONValue, status: Int = 200) -> OutgoingResponse {
        OutgoingResponse(status: status, body: ApiResponse.success(data))
    }
}

// MARK: - Reading what came in

extension Routes {
    private func body<Body>(
        of request: IncomingRequest, as read: (JSONNode) throws(SchemaViolation) -> Body
    ) throws(APIProblem) -> Body {
        switch request.bodyProblem {
        case .tooLarge: throw .bodyTooLarge
        case .noRoom: throw .noRoom
        case nil: break
        }
        let json: JSONValue
        do {
            json = try JSONValue.parse(request.body)
        } catch {
            throw .invalid("the body is not JSON: \(error)")
        }
        do {
            return try read(JSONNode(json))
        } catch {
            throw .invalid("\(error)")
        }
    }

    /// nil where the parameter is absent; throws where it is given twice, since it then has two meanings.
    private func parameter(_ name: String, in query: [(name: String, value: String)]) throws(APIProblem) -> String? {
        let values = query.filter { $0.name == name }.map(\.value)
        guard values.count <= 1 else { throw .invalid("\(name) is given twice") }
        return values.first
    }

    private static func runnerID(_ text: String) throws(APIProblem) -> String {
        guard Identifier.isID(text) else {
            throw .invalid("a runner's id is 1 to 64 of A-Z, a-z, 0-9, '_' and '-'")
        }
        return text
    }

    private static func workspace(_ text: String) throws(APIProblem) -> String {
        guard Identifier.isSlug(text) else { throw .invalid("workspace \(Identifier.slugRule)") }
        return text
    }

    private static func isIdempotencyKey(_ text: String) -> Bool {
        (8...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { Identifier.isAlphanumeric($0) || "._:-".utf8.contains($0) }
    }
}
