import LianModel
import Synchronization

/// Stands before a real registry: passes each request on, or spoils those that it was told to spoil.
package final class RegistryFront: Sendable {
    package enum Fault: Sendable {
        case answer(Int, headers: [String: String] = [:])
        case reset
    }

    private struct Spoiled {
        let methods: [String]
        let part: String
        let fault: Fault
    }

    private struct State {
        var spoiled: Spoiled?
        var count = 0
    }

    private let registry: Registry
    private let server: ScriptedHTTPServer
    private let state = Mutex(State())

    package init(of registry: Registry) throws {
        self.registry = registry
        server = try ScriptedHTTPServer()
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH"] {
            // /v2/ alone, and down to the place of one upload.
            for depth in 1...7 {
                server.on(method, "/v2/" + Array(repeating: "*", count: depth).joined(separator: "/")) {
                    [weak self] request, _ in self?.reply(request) ?? .reset
                }
            }
        }
    }

    package var host: String { "127.0.0.1:\(server.port)" }

    package func stop() { server.stop() }

    /// From now on every request with one of these methods whose path holds this part is spoiled, until `recover`.
    package func spoil(_ methods: [String], _ part: String, _ fault: Fault) {
        state.withLock { $0.spoiled = Spoiled(methods: methods, part: part, fault: fault) }
    }

    package func recover() { state.withLock { $0.spoiled = nil } }

    /// How many requests were spoiled so far.
    package var spoiledCount: Int { state.withLock(\.count) }

    private func reply(_ request: ScriptedHTTPServer.Request) -> ScriptedHTTPServer.Reply {
        let fault = state.withLock { state -> Fault? in
            guard let spoiled = state.spoiled, spoiled.methods.contains(request.method),
                request.path.contains(spoiled.part)
            else { return nil }
            state.count += 1
            return spoiled.fault
        }
        switch fault {
        case .answer(let status, let headers): return .answer(status, headers: headers)
        case .reset: return .reset
        case nil: break
        }
        guard let answer = try? pass(request) else { return .reset }
        var headers = answer.headers
        headers["transfer-encoding"] = nil
        if request.method == "HEAD" {
            return ScriptedHTTPServer.Reply([.send(ScriptedHTTPServer.Reply.head(answer.status, headers))])
        }
        headers["content-length"] = nil
        return .answer(answer.status, answer.body, headers: headers)
    }

    private func pass(_ request: ScriptedHTTPServer.Request) throws -> PlainHTTPResponse? {
        let connection = try PlainHTTPConnection(port: registry.port)
        var headers = request.headers
        for name in ["content-length", "transfer-encoding", "connection"] { headers[name] = nil }
        let target = request.query.isEmpty ? request.path : "\(request.path)?\(request.query)"
        // The registry is to name the places of uploads at this front, so it is told the host that was asked.
        _ = connection.send(
            PlainHTTPConnection.request(request.method, target, headers: headers, body: request.body))
        return try connection.receive(afterHEAD: request.method == "HEAD")
    }
}

extension BuildScene {
    /// As those for the registry itself, by way of its front.
    package func flags(_ context: String, behind front: RegistryFront) -> [String] {
        ["--workspace", workspace, "--context", context, "--image", "\(front.host)/\(workspace)/app:1"]
    }
}

/// Puts a front before the registry for the length of the body.
package func withFront<Result>(
    of registry: Registry, _ body: (RegistryFront) async throws -> Result
) async throws -> Result {
    let front = try RegistryFront(of: registry)
    defer { front.stop() }
    return try await body(front)
}
