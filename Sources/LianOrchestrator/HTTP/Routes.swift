import LianModel

/// The API of schemas/orchestrator.openapi.yaml: a request in, an answer out.
package struct Routes: Sendable {
    private let fleet: Fleet
    private let volumes: Volumes?
    private let store: Store
    private let tokens: Tokens
    private let log: EventLog
    private let meters: Meters
    private let positions = Positions()
    private let bodyReaders = WorkerPool(limit: 4)
    /// One that waits for a provider that hangs keeps nobody from the others.
    private let spawns = WorkerPool(limit: 64)
    private let waits = WorkerPool(limit: 64)
    private let deletions = WorkerPool(limit: 32)
    private let keeps = WorkerPool(limit: 32)
    /// For what people and Prometheus look at: few, so that nothing that builds wait for stands behind it.
    private let looks = WorkerPool(limit: 2)
    private let parts = RenderedParts()

    package init(
        fleet: Fleet, volumes: Volumes?, store: Store, tokens: Tokens, log: EventLog,
        meters: Meters = Meters()
    ) {
        self.fleet = fleet
        self.volumes = volumes
        self.store = store
        self.tokens = tokens
        self.log = log
        self.meters = meters
    }

    /// Lets a request in by its headers alone. A body that is too long to be read to its end is refused here as well.
    package func admission(of request: IncomingRequest) -> HTTPServer.Admission {
        let refusal: String
        switch tokens.token(authorization: request.authorization) {
        case .found(let token):
            return request.bodyProblem == nil ? .admitted(token) : .refused(APIProblem.bodyTooLarge.response)
        case .expired(let name):
            refusal = "the token '\(name)' has expired: whoever runs this orchestrator can renew it"
        case .unknown where request.authorization != nil:
            refusal = "the token is none of this orchestrator's: whoever runs it knows which are (ORCHESTRATOR_TOKEN)"
        case .unknown:
            refusal = "this needs a token of the orchestrator's as a bearer token (ORCHESTRATOR_TOKEN)"
        }
        let answer = answer(to: request, by: nil) {
            switch try resource(of: request).resource {
            case .health: return health()
            case .file(let file): return .pageFile(file)
            default: throw APIProblem.unauthorized(refusal)
            }
        }
        return .refused(answer)
    }

    /// Counts that someone was not let in, and puts it into the log unless it was too often.
    package func tellFailure(of request: IncomingRequest, isTooOften: Bool) {
        meters.refusals.add([isTooOften ? APIProblem.tooManyFailuresCode : APIProblem.unauthorizedCode])
        guard !isTooOften else { return }
        log.warning(
            "refused", "\(request.method) \(request.target.prefix(200)): no good token",
            ["status": 401, "code": .string(APIProblem.unauthorizedCode), "token": .null])
    }

    /// Answers a request that was let in by the token. Slow work is done on other threads. Each kind of work has threads
    /// of its own: however many clients wait for runners to come or to go, a heartbeat does not wait behind them. No
    /// token has all threads of a kind.
    package func answer(_ request: IncomingRequest, by token: Token) -> HTTPServer.Reply {
        let asked = Result { () throws(APIProblem) in try resource(of: request) }
        let answer = { @Sendable (mayWait: Bool) -> OutgoingResponse in
            self.answer(to: request, by: token) { try route(request, try asked.get(), by: token, mayWait: mayWait) }
        }
        func later(by workers: WorkerPool) -> HTTPServer.Reply {
            .later { respond in workers.add(for: token.name) { respond(answer(false)) } }
        }
        switch try? asked.get() {
        case (.runner, _)? where request.method == "DELETE", (.volume, _)?: return later(by: deletions)
        case (.runner, let query)? where query.contains { $0.name == "wait" }:
            return .later { respond in
                // If too many wait already, the runner is reported as it is, and its client asks again after a pause.
                if !waits.addIfFree(for: token.name, { respond(answer(true)) }) { respond(answer(false)) }
            }
        case (.runners, _)? where request.method == "POST": return later(by: spawns)
        case (.keep, _)?: return later(by: keeps)
        case (.builds, _)?, (.overview, _)?, (.meters, _)?, (.overviewPart, _)?, (.buildsPart, _)?, (.buildPart, _)?:
            return later(by: looks)
        default: return request.body.isEmpty ? .now(answer(false)) : later(by: bodyReaders)
        }
    }

    private func answer(
        to request: IncomingRequest, by token: Token?, _ body: () throws -> OutgoingResponse
    ) -> OutgoingResponse {
        do {
            return try body()
        } catch let problem as APIProblem {
            // Whether who has no token has failed too often only the server knows: `tellFailure` counts those.
            if problem.isRefusal, problem.code != APIProblem.unauthorizedCode {
                meters.refusals.add([problem.code])
                if let token { tell(problem, request, token) }
            }
            return problem.response
        } catch {
            log.error("request_failed", "\(request.method) \(request.target): \(error)")
            return APIProblem(500, "internal", "the orchestrator could not do this; its log says why").response
        }
    }

    private func tell(_ problem: APIProblem, _ request: IncomingRequest, _ token: Token) {
        log.warning(
            "refused", "\(request.method) \(request.target.prefix(200)): \(problem.message)",
            ["status": .integer(problem.status), "code": .string(problem.code), "token": .string(token.name)])
    }
}

extension Routes {
    private typealias Asked = (resource: Resource, query: [(name: String, value: String)])

    /// The thing that is asked for; throws where there is no such thing.
    private func resource(of request: IncomingRequest) throws(APIProblem) -> Asked {
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

    private func route(
        _ request: IncomingRequest, _ asked: Asked, by token: Token, mayWait: Bool
    ) throws -> OutgoingResponse {
        let (resource, query) = asked
        let operation = resource.operation(request.method)
        if let operation, let refusal = Permissions.refusal(of: operation, by: token) {
            throw APIProblem.forbidden(refusal)
        }
        let call = try Call(request, resource, query)
        if let operation { try permit(operation, call, by: token) }
        return try perform(call, by: token, mayWait: mayWait)
    }

    /// The one place where it is decided whether the token may do this.
    private func permit(_ operation: Operation, _ call: Call, by token: Token) throws {
        let subject: Permissions.Subject
        var absent = APIProblem.noBuild
        switch call {
        case .health, .file: return
        case .spawn(let order, _): subject = .newRunner(order)
        case .listRunners(let workspace), .listVolumes(let workspace), .listBuilds(let workspace, _, _):
            subject = workspace.map { .workspace($0) } ?? .whatItSees
        case .showRunner(let id, _), .destroyRunner(let id), .heartbeat(let id), .keep(let id, _):
            absent = .noRunner(id)
            let runner = try fleet.record(of: id)
            subject = .runner(workspace: runner?.workspace, spawnedBy: runner?.token)
        case .p95(let workspace), .record(_, let workspace): subject = .workspace(workspace)
        case .deleteVolume, .overview, .meters, .overviewPart, .buildsPart: subject = .whatItSees
        case .buildPart(_, let workspace, _): subject = .build(workspace: workspace)
        }
        switch Permissions.decide(operation, on: subject, by: token) {
        case .allowed: return
        case .forbidden(let why): throw APIProblem.forbidden(why)
        case .hidden:
            // One that is there was found sooner than one that is not is missed.
            if case .runner(.some, _) = subject { try fleet.missARunner() }
            throw absent
        }
    }

    private func perform(_ call: Call, by token: Token, mayWait: Bool) throws -> OutgoingResponse {
        switch call {
        case .health: health()
        case .spawn(let order, let key): try spawn(order, key, by: token)
        case .listRunners(let workspace): listRunners(workspace, for: token)
        case .showRunner(let id, let wait): try show(id, wait: mayWait ? wait : .zero)
        case .destroyRunner(let id): try destroy(id, by: token)
        case .heartbeat(let id): try heartbeat(id)
        case .keep(let id, let order): try keep(id, order, by: token)
        case .listVolumes(let workspace): listVolumes(workspace, for: token)
        case .deleteVolume(let name): try deleteVolume(name, by: token)
        case .p95(let workspace): try p95(workspace, for: token)
        case .record(let report, let workspace): try record(report, workspace, by: token)
        case .listBuilds(let workspace, let before, let limit): try listBuilds(workspace, before, limit, for: token)
        case .overview: success(try overview(for: token).json)
        case .meters: metrics(for: token)
        case .file(let file): .pageFile(file)
        case .overviewPart(let known): try overviewPart(known, for: token)
        case .buildsPart(let known): try buildsPart(known, for: token)
        case .buildPart(let id, let workspace, let known): try buildPart(id, workspace, known)
        }
    }

    private func health() -> OutgoingResponse {
        let providers = fleet.providerStatuses()
        var health: [String: JSONValue] = [
            "status": "ok", "version": .string(lianBuildVersion), "volumes": .string(fleet.volumeSupport.rawValue),
            "platforms": providers.flatMap(\.platforms).eachOnce.json,
            "providers": providers.map(\.name).json, "provider_states": .array(providers.map(\.health)),
        ]
        if let first = providers.first {
            health["provider"] = .string(first.name)
            health["engine"] = first.engine.map(JSONValue.string)
        }
        // As long as one of them serves, runners can be reached.
        let problems = providers.compactMap(\.problem)
        if problems.count == providers.count {
            health["status"] = "degraded"
            health["reason"] = .string(problems.joined(separator: "; "))
        }
        return success(.object(health))
    }

    private func spawn(_ order: SpawnRequest, _ key: String, by token: Token) throws -> OutgoingResponse {
        switch try fleet.spawn(order, key: key, by: token) {
        case .created(let runner):
            log.info(
                "spawn", "spawning runner \(runner.runnerID) for \(order.workspace)",
                [
                    "runner_id": .string(runner.runnerID), "workspace": .string(order.workspace),
                    "build_id": .string(order.buildID), "size": order.size.json, "token": .string(token.name),
                ])
            return success(runner.json, status: 201)
        case .known(let runner):
            return success(runner.json)
        case .keyIsTaken:
            throw APIProblem(409, "conflict", "this Idempotency-Key was used for another request before")
        case .unservable(let reason):
            throw APIProblem(422, "unservable", reason)
        case .refused(.capacity):
            throw APIProblem(
                429, "capacity", "all runners that this orchestrator may have are taken", headers: ["Retry-After": "5"])
        case .refused(.provider(let name, let limit)):
            throw APIProblem(
                429, "capacity", "all \(limit) runners that the provider '\(name)' may have are taken",
                headers: ["Retry-After": "5"])
        case .refused(.quota):
            throw APIProblem(
                429, "quota", "all \(token.maxRunners ?? 0) runners that the token '\(token.name)' may have are taken",
                headers: ["Retry-After": "5"])
        case .hindered(.noRoom(let reason)):
            throw APIProblem(429, "capacity", reason, headers: ["Retry-After": "5"])
        case .hindered(.unreachable(let reason)):
            throw APIProblem(503, "provider_unreachable", reason, headers: ["Retry-After": "10"])
        case .hindered(.diskFull(let reason)):
            throw APIProblem(503, "no_room", reason, headers: ["Retry-After": "10"])
        case .stopping:
            throw APIProblem(503, "unavailable", "the orchestrator is stopping", headers: ["Retry-After": "10"])
        }
    }

    private func listRunners(_ workspace: String?, for token: Token) -> OutgoingResponse {
        success(fleet.runners { token.sees($0) && workspace ?? $0 == $0 }.json)
    }

    private func show(_ id: String, wait: Duration) throws -> OutgoingResponse {
        guard let runner = try fleet.runner(id, waitingAtMost: wait) else { throw APIProblem.noRunner(id) }
        return success(runner.json)
    }

    private func destroy(_ id: String, by token: Token) throws -> OutgoingResponse {
        let fields: [String: JSONValue] = ["runner_id": .string(id), "token": .string(token.name)]
        log.info("destroy", "destroying runner \(id), as its client asks", fields)
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

    private func keep(_ id: String, _ order: KeepRequest, by token: Token) throws -> OutgoingResponse {
        switch try fleet.keep(id, order) {
        case .answered(let kept):
            let fields: [String: JSONValue] = [
                "runner_id": .string(id), "kept": kept.json, "token": .string(token.name),
            ]
            log.info("keep", "runner \(id) was asked to keep its volume", fields)
            return success(kept.json)
        case .notReady: throw APIProblem(409, "not_ready", "runner '\(id)' is not ready: it has nothing to keep")
        case .unknown: throw APIProblem.noRunner(id)
        case .gone(let reason): throw APIProblem.gone(id, reason)
        }
    }

    private func listVolumes(_ workspace: String?, for token: Token) -> OutgoingResponse {
        success((volumes?.list { token.sees($0) && workspace ?? $0 == $0 } ?? []).json)
    }

    private func deleteVolume(_ name: VolumeName, by token: Token) throws -> OutgoingResponse {
        guard volumes?.delete(name) == true else {
            throw APIProblem(404, "not_found", "there is no volume '\(name)'")
        }
        let fields: [String: JSONValue] = ["volume": name.json, "token": .string(token.name)]
        log.info("delete_volume", "the volume \(name) is deleted, as a client asks", fields)
        return success(nil)
    }

    private func p95(_ workspace: String, for token: Token) throws -> OutgoingResponse {
        success(try store.history(of: workspace, toldBy: token.may(.ci) ? [.ci] : Token.Layer.allCases).json)
    }

    private func record(_ report: MetricsReport, _ workspace: String, by token: Token) throws -> OutgoingResponse {
        if try store.keep(report, of: workspace, toldBy: token.may(.ci) ? .ci : .dev) {
            meters.attempts.add([workspace, report.outcome.rawValue])
            meters.attemptSeconds.observe(report.durationSeconds, [workspace])
        }
        return success(nil, status: 202)
    }

    private func listBuilds(
        _ workspace: String?, _ before: String?, _ limit: Int, for token: Token
    ) throws -> OutgoingResponse {
        let position = try before.map { text in
            guard let position = positions.position(text) else {
                throw APIProblem.invalid(
                    "before must be the `next` of a page that this orchestrator has given since it was started; "
                        + "leave it out to begin with the newest")
            }
            return position
        }
        let page = try store.builds(seenBy: token, workspace: workspace, before: position, limit: limit)
        return success(["builds": page.builds.json, "next": page.next.map(positions.text).json])
    }

    private func metrics(for token: Token) -> OutgoingResponse {
        let page = MetricsPage(meters: meters, fleet: fleet, volumes: volumes, store: store)
        return OutgoingResponse(
            status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: Array(page.text(for: token).utf8))
    }

    private func overview(for token: Token) throws -> Overview {
        try Overview(for: token, fleet: fleet, volumes: volumes, store: store)
    }

    private func overviewPart(_ known: String?, for token: Token) throws -> OutgoingResponse {
        let part = try parts.part(RenderedParts.Key("overview", seenBy: token)) { try overview(for: token).markup }
        return .pagePart(part, known: known)
    }

    private func buildsPart(_ known: String?, for token: Token) throws -> OutgoingResponse {
        let part = try parts.part(RenderedParts.Key("builds", seenBy: token)) {
            BuildsPart(builds: try store.builds(seenBy: token, limit: BuildsPart.most).builds).markup
        }
        return .pagePart(part, known: known)
    }

    private func buildPart(
        _ id: String, _ workspace: String, _ known: String?
    ) throws -> OutgoingResponse {
        let now = fleet.clock.now()
        let part = BuildPart(
            workspace: workspace, id: id,
            runners: fleet.unfinished.filter { $0.state != .gone }.map { Overview.Runner($0, at: now) },
            reported: try store.build(id, in: workspace))
        guard let part else { throw APIProblem.noBuild }
        return .pagePart(RenderedPart(part.markup), known: known)
    }

    private func success(_ data: JSONValue, status: Int = 200) -> OutgoingResponse {
        OutgoingResponse(status: status, body: ApiResponse.success(data))
    }
}
