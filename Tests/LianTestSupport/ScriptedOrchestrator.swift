import LianModel
import LianSystem
import Synchronization

/// An orchestrator that keeps to its contract until it is told otherwise. Its runners are all the one machine that it
/// is given, and it knows of each whether it lives.
///
///     orchestrator.script(.spawn, [.fault(.failure(503, …)), .honest])
package final class ScriptedOrchestrator: Sendable {
    /// What becomes of one request.
    package enum Answer: Sendable {
        case honest
        /// The other one, as soon as that returns.
        indirect case after(@Sendable () -> Void, _ next: Answer = .honest)
        /// Nothing is done, and this is said.
        case fault(ScriptedHTTPServer.Reply)
        /// What was asked for is done, and this is said in the place of it.
        case lost(ScriptedHTTPServer.Reply)
        /// What was asked for is done, and its answer told with changes to the runner.
        case changed(@Sendable (inout [String: JSONValue]) -> Void)
    }

    /// The machine behind every runner.
    package struct Machine: Sendable {
        package var host = "127.0.0.1"
        package var port: Int
        package var user: String
        package var hostKeys: [String]
        package var workDir: String

        package init(port: Int, user: String, hostKeys: [String], workDir: String) {
            self.port = port
            self.user = user
            self.hostKeys = hostKeys
            self.workDir = workDir
        }
    }

    package struct Runner: Sendable {
        package let id: String
        package let key: String
        package let order: JSONValue
        package fileprivate(set) var isAlive = true
        /// When it was renewed, its spawn first.
        package fileprivate(set) var beats: [ContinuousClock.Instant]

        package var publicKey: String? { order["ssh_public_key"]?.stringValue }
    }

    private struct State {
        var scripts: [OrchestratorRoute: [Answer]] = [:]
        var counts: [OrchestratorRoute: Int] = [:]
        var runners: [Runner] = []
        var state = "ready"
        var reason: String?
        var volume: JSONValue = .null
        var kept: JSONValue = .null
    }

    package let token: String
    package let server: ScriptedHTTPServer
    private let machine: Machine
    private let prepare: @Sendable (Runner) throws -> Void
    private let state = Mutex(State())

    /// `prepare` is told of each new runner before its spawn is answered.
    package init(
        token: String, machine: Machine, prepare: @escaping @Sendable (Runner) throws -> Void = { _ in }
    ) throws {
        self.token = token
        self.machine = machine
        self.prepare = prepare
        server = try ScriptedHTTPServer()
        for route in OrchestratorRoute.allCases {
            server.on(route.target.method, route.target.path) { [weak self] request, _ in
                self?.reply(route, request) ?? .close
            }
        }
    }

    package func stop() { server.stop() }

    package var url: String { server.url }

    /// The answers in sequence, counted from now; the last one goes on for ever.
    package func script(_ route: OrchestratorRoute, _ answers: [Answer]) {
        state.withLock { state in
            state.scripts[route] = answers
            state.counts[route] = 0
        }
    }

    /// What every runner is from now on: "pending", "ready", "failed".
    package func setState(_ name: String, reason: String? = nil) {
        state.withLock { state in
            state.state = name
            state.reason = reason
        }
    }

    /// Offers volumes from now on: what each runner finds on its own, and what is answered when it is to be kept.
    package func offerVolumes(_ found: JSONValue, kept: JSONValue) {
        state.withLock { state in
            state.volume = found
            state.kept = kept
        }
    }

    /// Ends a runner without being asked to, as when its lease ran out.
    package func reap(_ id: String) {
        state.withLock { state in
            for index in state.runners.indices where state.runners[index].id == id {
                state.runners[index].isAlive = false
            }
        }
    }

    package var runners: [Runner] { state.withLock(\.runners) }
    package var liveRunners: [String] { runners.filter(\.isAlive).map(\.id) }

    /// What came in, in order.
    package func requests(_ route: OrchestratorRoute) -> [ScriptedHTTPServer.Request] {
        server.requests(route.target.method, route.target.path)
    }

    /// The Idempotency-Keys of the spawns that came.
    package var spawnKeys: [String] { requests(.spawn).map { $0.headers["idempotency-key"] ?? "" } }

    private func reply(_ route: OrchestratorRoute, _ request: ScriptedHTTPServer.Request) -> ScriptedHTTPServer.Reply {
        let answer: Answer = state.withLock { state in
            let script = state.scripts[route] ?? []
            let count = state.counts[route, default: 0]
            state.counts[route] = count + 1
            return script.isEmpty ? .honest : script[min(count, script.count - 1)]
        }
        return reply(route, request, as: answer)
    }

    private func reply(
        _ route: OrchestratorRoute, _ request: ScriptedHTTPServer.Request, as answer: Answer
    ) -> ScriptedHTTPServer.Reply {
        switch answer {
        case .honest: return honest(route, request).reply()
        case .after(let wait, let next):
            wait()
            return reply(route, request, as: next)
        case .fault(let reply): return reply
        case .lost(let reply):
            _ = honest(route, request)
            return reply
        case .changed(let change):
            var outcome = honest(route, request)
            if var data = outcome.data.objectValue {
                change(&data)
                outcome.data = .object(data)
            }
            return outcome.reply()
        }
    }

    private struct Outcome {
        var status: Int
        var data: JSONValue = .null
        var complaint: (code: String, message: String)?
        var delay: Duration = .zero

        func reply() -> ScriptedHTTPServer.Reply {
            if let complaint { return .failure(status, code: complaint.code, message: complaint.message) }
            return .success(status, data, after: delay)
        }
    }

    private func honest(_ route: OrchestratorRoute, _ request: ScriptedHTTPServer.Request) -> Outcome {
        guard request.headers["authorization"] == "Bearer \(token)" else {
            return Outcome(status: 401, complaint: ("unauthorized", "the token is missing or wrong"))
        }
        let id = String(request.path.split(separator: "/").dropFirst(3).first ?? "")
        switch route {
        case .spawn: return spawn(request)
        case .poll:
            guard let runner = runner(id), runner.isAlive else { return unknown(id) }
            var outcome = Outcome(status: 200, data: record(runner))
            // Held for as long as it was asked to be, since nothing of it changes.
            if state.withLock({ $0.state == "pending" }) {
                outcome.delay = .seconds(Int(request.query.drop { !$0.isNumber }) ?? 0)
            }
            return outcome
        case .destroy:
            guard runner(id) != nil else { return unknown(id) }
            reap(id)
            return Outcome(status: 200, data: runner(id).map(record) ?? .null)
        case .heartbeat:
            guard let runner = runner(id) else { return unknown(id) }
            guard runner.isAlive else { return Outcome(status: 410, complaint: ("gone", "the runner is gone")) }
            state.withLock { state in
                for index in state.runners.indices where state.runners[index].id == id {
                    state.runners[index].beats.append(.now)
                }
            }
            return Outcome(status: 200, data: record(runner))
        case .p95: return Outcome(status: 200, data: ["workspace": .string(id), "samples": 0])
        case .metrics: return Outcome(status: 202)
        case .keep:
            guard let runner = runner(id) else { return unknown(id) }
            guard runner.isAlive else { return Outcome(status: 410, complaint: ("gone", "the runner is gone")) }
            return Outcome(status: 200, data: state.withLock(\.kept))
        case .health:
            var data: [String: JSONValue] = ["status": "ok", "version": "1.0"]
            // One of version 1.0 has no word of volumes.
            if state.withLock({ $0.volume != .null }) { data["volumes"] = "clone" }
            return Outcome(status: 200, data: .object(data))
        }
    }

    private func spawn(_ request: ScriptedHTTPServer.Request) -> Outcome {
        guard let key = request.headers["idempotency-key"], let order = request.json else {
            return Outcome(status: 400, complaint: ("invalid_request", "no key, or no JSON"))
        }
        let (runner, isNew) = state.withLock { state in
            if let known = state.runners.first(where: { $0.key == key }) { return (known, false) }
            let runner = Runner(id: "r-\(state.runners.count + 1)", key: key, order: order, beats: [.now])
            state.runners.append(runner)
            return (runner, true)
        }
        guard runner.order == order else {
            return Outcome(status: 409, complaint: ("conflict", "the key was used with another body"))
        }
        if isNew {
            do {
                try prepare(runner)
            } catch {
                return Outcome(status: 500, complaint: ("internal", "\(error)"))
            }
        }
        return Outcome(status: isNew ? 201 : 200, data: record(runner))
    }

    private func runner(_ id: String) -> Runner? { runners.first { $0.id == id } }

    private func unknown(_ id: String) -> Outcome {
        Outcome(status: 404, complaint: ("not_found", "there is no runner \(id)"))
    }

    private func record(_ runner: Runner) -> JSONValue {
        let (name, reason, volume) = state.withLock { ($0.state, $0.reason, $0.volume) }
        var record: [String: JSONValue] = [
            "runner_id": .string(runner.id), "state": .string(runner.isAlive ? name : "gone"),
            "reason": reason.map { .string($0) } ?? .null, "workspace": runner.order["workspace"] ?? .null,
            "provider": "scripted", "size": runner.order["size"] ?? .null, "host": .string(machine.host),
            "port": .integer(machine.port), "user": .string(machine.user),
            "host_keys": .array(machine.hostKeys.map { .string($0) }), "work_dir": .string(machine.workDir),
            "buildkit_addr": .null, "expires_at": .null,
        ]
        if runner.order["volume"]?.objectValue != nil { record["volume"] = volume }
        return .object(record)
    }
}
