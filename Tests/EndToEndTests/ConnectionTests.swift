import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

extension EndToEnd {
    /// The way to the runner breaks.
    @Suite struct ConnectionTests {
        @Test func aCutInMidBuildCostsNothing() async throws {
            try await withScene { scene in
                let front = try OrchestratorFront(of: scene.orchestrator)
                defer { front.stop() }
                // It goes on talking while nobody listens.
                let lines = 90
                let context = try scene.context(
                    """
                    \(Scene.shell)RUN i=0; while [ $i -lt \(lines) ]; do i=$((i + 1)); echo "line $i of many"; \
                    busybox sleep 0.1; done
                    """)
                let running = try scene.start(scene.flags(context), environment: ["ORCHESTRATOR_URL": front.url])
                try await running.says(" line 9 of many\n")
                let proxy = try #require(front.proxy)
                proxy.refuse()
                proxy.cut()
                try await running.says("coming back to it")
                try await Task.sleep(for: .seconds(5))
                #expect(!running.errorText.contains(" line 50 of many\n"))
                proxy.accept()
                let build = try await running.finished()
                try #require(build.status == 0, "\(build.story)")
                #expect(proxy.connections > 1)
                let said = build.errorText.split(separator: "\n").filter {
                    $0.hasSuffix(" of many") && $0.hasPrefix("#")
                }
                let numbers = said.compactMap { line in
                    line.split(separator: " ").dropLast(2).last.flatMap { Int($0) }
                }
                #expect(numbers == Array(1...lines))
                #expect(build.digest == (try await scene.registry.digest(of: "\(scene.workspace)/app", tag: "1")))
                #expect(build.attempts.count == 1)
            }
        }
    }
}

/// An orchestrator whose runners are reached through a proxy that can fail: it passes each request on, and puts the
/// proxy's port in the place of the runner's.
private final class OrchestratorFront: Sendable {
    private let server: ScriptedHTTPServer
    private let made = Mutex<FaultProxy?>(nil)

    init(of orchestrator: Orchestrator) throws {
        server = try ScriptedHTTPServer()
        let port = orchestrator.port
        for (method, path) in [
            ("POST", "/api/v1/runners"), ("GET", "/api/v1/runners/*"), ("DELETE", "/api/v1/runners/*"),
            ("POST", "/api/v1/runners/*/heartbeat"), ("GET", "/api/v1/workspaces/*/p95"),
            ("POST", "/api/v1/workspaces/*/metrics"),
        ] {
            server.on(method, path) { [weak self] request, _ in
                guard let self, let answer = try? pass(request, to: port) else { return .reset }
                return .json(answer.status, (try? withProxy(answer.json)) ?? answer.json)
            }
        }
    }

    var url: String { server.url }
    /// The way to the runner; nil before there is one.
    var proxy: FaultProxy? { made.withLock { $0 } }

    func stop() { server.stop() }

    private func pass(_ request: ScriptedHTTPServer.Request, to port: Int) throws -> PlainHTTPResponse? {
        let connection = try PlainHTTPConnection(port: port)
        let kept = request.headers.filter { ["authorization", "idempotency-key", "content-type"].contains($0.key) }
        let target = request.query.isEmpty ? request.path : "\(request.path)?\(request.query)"
        _ = connection.send(PlainHTTPConnection.request(request.method, target, headers: kept, body: request.body))
        return try connection.receive()
    }

    private func withProxy(_ answer: JSONValue) throws -> JSONValue {
        guard var members = answer.objectValue, var runner = members["data"]?.objectValue,
            let port = runner["port"]?.intValue
        else { return answer }
        let proxy = try made.withLock { made in
            let proxy = try made ?? FaultProxy(to: port)
            made = proxy
            return proxy
        }
        runner["port"] = .integer(proxy.port)
        members["data"] = .object(runner)
        return .object(members)
    }
}
