import LianModel
import LianTestSupport

/// What tokens of several workspaces are answered while builds of all of them go on, asked over and over.
struct TokenWatch: Sendable {
    let orchestrator: Orchestrator

    static let workspaces = ["mix-0", "mix-1"]

    /// The names of tokens, and what is sent by who has them.
    static func ofCI(_ workspace: String) -> String { "ci-of-\(workspace)" }
    static func ofSessions(_ workspace: String) -> String { "sessions-of-\(workspace)" }
    private static func ofReader(_ workspace: String) -> String { "reader-of-\(workspace)" }

    static var members: [TeamMember] {
        workspaces.flatMap { workspace in
            [
                TeamMember(ofCI(workspace), "build", [workspace], layers: ["ci"]),
                TeamMember(ofSessions(workspace), "build", [workspace], layers: ["dev"]),
                TeamMember(ofReader(workspace), "read", [workspace]),
            ]
        }
    }

    /// What can be looked at, by those who read.
    private static let shown = [
        "/api/v1/runners", "/api/v1/volumes", "/api/v1/builds", "/api/v1/overview", "/metrics", "/parts/overview",
        "/parts/builds",
    ]

    /// All that a token learned of another workspace or did there; at least one round is asked.
    func leaks(until areThrough: () -> Bool) async throws -> [String] {
        var found: [String] = []
        var isLast: Bool
        repeat {
            isLast = areThrough()
            let runners = try await orchestrator.request("GET", "/api/v1/runners").json["data"]?.arrayValue ?? []
            for workspace in Self.workspaces {
                found += try await leaks(to: workspace)
                let foreign = runners.filter { $0["workspace"]?.stringValue != workspace }
                    .compactMap { $0["runner_id"]?.stringValue }
                for token in [Self.ofCI(workspace), Self.ofSessions(workspace)] {
                    found += try await deeds(by: token, on: foreign)
                }
            }
            if !isLast { try await Task.sleep(for: .seconds(1)) }
        } while !isLast
        return found
    }

    private func leaks(to workspace: String) async throws -> [String] {
        var found: [String] = []
        for target in Self.shown {
            let answer = try await ask(target, by: Self.ofReader(workspace))
            if answer.status != 200 { found.append("\(target): \(answer.status)") }
            let text = String(decoding: answer.body, as: UTF8.self)
            for other in Self.workspaces where other != workspace && text.contains(other) {
                found.append("\(target) tells \(workspace) of \(other)")
            }
        }
        for other in Self.workspaces where other != workspace {
            for token in [Self.ofCI(workspace), Self.ofSessions(workspace), Self.ofReader(workspace)] {
                let answer = try await ask("/api/v1/workspaces/\(other)/p95", by: token)
                if answer.status != 403 { found.append("\(token) has the history of \(other)") }
            }
        }
        return found
    }

    private func deeds(by token: String, on runners: [String]) async throws -> [String] {
        var found: [String] = []
        for runner in runners {
            let path = "/api/v1/runners/\(runner)"
            for (method, target) in [("GET", path), ("POST", "\(path)/heartbeat"), ("DELETE", path)] {
                let answer = try await ask(target, by: token, method)
                if answer.status != 404 { found.append("\(token): \(method) \(target): \(answer.status)") }
            }
        }
        return found
    }

    private func ask(_ target: String, by token: String, _ method: String = "GET") async throws -> PlainHTTPResponse {
        try await orchestrator.request(method, target, headers: ["Authorization": "Bearer \(token)"])
    }
}
