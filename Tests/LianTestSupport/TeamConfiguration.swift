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

/// A token of such an orchestrator: who sends its name is let in by it.
package struct TeamMember: Sendable {
    let name: String
    let role: String
    let workspaces: [String]
    let layers: [String]

    package init(_ name: String, _ role: String, _ workspaces: [String], layers: [String] = []) {
        self.name = name
        self.role = role
        self.workspaces = workspaces
        self.layers = layers
    }

    fileprivate func configured() async throws -> JSONValue {
        let hashed = try await run(
            Command(
                Project.executable("lian-orchestrator"), ["--hash-token"],
                environment: ProcessInfo.processInfo.environment), input: .bytes(Array(name.utf8)),
            deadline: .seconds(120))
        guard hashed.termination == .exited(0) else { throw FixtureError("--hash-token: \(hashed.errorText)") }
        return [
            "name": .string(name), "hash": .string(String(hashed.outputText.dropLast())), "role": .string(role),
            "workspaces": workspaces.json, "layers": layers.json,
        ]
    }
}

/// The configuration of an orchestrator with these tokens, or with those of `TeamToken`, and with the one that
/// `Orchestrator` sends, which may everything.
package func teamConfiguration(
    in folder: URL,
    of members: [TeamMember] = [
        TeamMember(TeamToken.pullRequests, "build", ["*"], layers: ["dev"]),
        TeamMember(TeamToken.elsewhere, "build", ["elsewhere"], layers: ["ci", "dev"]),
        TeamMember(TeamToken.viewerElsewhere, "read", ["elsewhere"]),
    ]
) async throws -> String {
    var tokens = [try await TeamMember("token-of-the-test", "admin", ["*"], layers: ["ci", "dev"]).configured()]
    for member in members { tokens.append(try await member.configured()) }
    let config: JSONValue = ["tokens": .array(tokens)]
    let file = folder.appending(path: "orchestrator.json")
    try config.encoded().write(to: file, atomically: true, encoding: .utf8)
    return file.path
}
