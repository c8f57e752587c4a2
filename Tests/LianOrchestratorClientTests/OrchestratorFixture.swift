import LianHTTP
import LianModel
import LianOrchestratorClient
import LianSystem
import LianTestSupport

let spawnRequest = SpawnRequest(
    workspace: "acme", buildID: "b-1", attempt: 1, size: WireSize(tier: "cx22", cpu: 2, memoryMB: 4096),
    timeBudgetMinutes: 30, leaseSeconds: 90, sshPublicKey: "ssh-ed25519 AAAA")
let spawnKey = "b-1.attempt-1"

let hostKeyLine = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO8k+0gVS2HM4zvpR7D0ffNC/jTJwaT8u5pUG2JEVFqu runner"

func runnerData(_ changes: [String: JSONValue] = [:]) -> JSONValue {
    let members: [String: JSONValue] = [
        "runner_id": "r-1", "state": "ready", "workspace": "acme", "provider": "local", "host": "127.0.0.1",
        "port": 2222, "user": "builder", "host_keys": [.string(hostKeyLine)], "work_dir": "/srv/work",
        "size": ["tier": "cx22", "cpu": 2, "memory_mb": 4096],
    ]
    return .object(members.merging(changes) { $1 })
}

let pendingRunner = runnerData(["state": "pending", "host": nil, "port": nil, "user": nil, "host_keys": []])

/// An orchestrator that says what a test wants it to say, and its client, whose pauses take no time.
func withOrchestrator<Result>(
    token: String? = "t0ken", _ body: (ScriptedHTTPServer, OrchestratorClient, SkippedTime) async throws -> Result
) async throws -> Result {
    try await withScriptedHTTPServer { server in
        let time = SkippedTime()
        let client = try OrchestratorClient(
            server: HTTPURL(server.url), token: token, http: HTTPClient(), timing: time.timing)
        return try await body(server, client, time)
    }
}

/// The same in real time, for requests that are to run into their timeouts.
func withOrchestratorInRealTime<Result>(
    _ body: (ScriptedHTTPServer, OrchestratorClient) async throws -> Result
) async throws -> Result {
    try await withScriptedHTTPServer { server in
        try await body(server, OrchestratorClient(server: HTTPURL(server.url), token: nil, http: HTTPClient()))
    }
}
