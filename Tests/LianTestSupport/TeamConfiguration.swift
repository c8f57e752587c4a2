import Foundation
import LianModel
import LianSystem

/// The tokens of an orchestrator for a team, each called as itself.
package enum TeamToken {
    /// Builds as sessions alone.
    package static let pullRequests = "pull-requests"
    /// Builds in the workspace of that name alone.
    package static let elsewhere = "elsewhere"
    package static let viewerElsewhere = "viewer"
}

/// The configuration of an orchestrator with these tokens, and with the one that `Orchestrator` sends, which may
/// everything.
package func teamConfiguration(in folder: URL) async throws -> String {
    func token(_ secret: String, _ role: String, _ workspaces: [String], _ layers: [String]) async throws -> JSONValue {
        let hashed = try await run(
            Command(
                Project.executable("lian-orchestrator"), ["--hash-token"],
                environment: ProcessInfo.processInfo.environment), input: .bytes(Array(secret.utf8)),
            deadline: .seconds(120))
        guard hashed.termination == .exited(0) else { throw FixtureError("--hash-token: \(hashed.errorText)") }
        return [
            "name": .string(secret), "hash": .string(String(hashed.outputText.dropLast())), "role": .string(role),
            "workspaces": workspaces.json, "layers": layers.json,
        ]
    }
    let config: JSONValue = [
        "tokens": [
            try await token("token-of-the-test", "admin", ["*"], ["ci", "dev"]),
            try await token(TeamToken.pullRequests, "build", ["*"], ["dev"]),
            try await token(TeamToken.elsewhere, "build", ["elsewhere"], ["ci", "dev"]),
            try await token(TeamToken.viewerElsewhere, "read", ["elsewhere"], []),
        ]
    ]
    let file = folder.appending(path: "orchestrator.json")
    try config.encoded().write(to: file, atomically: true, encoding: .utf8)
    return file.path
}
