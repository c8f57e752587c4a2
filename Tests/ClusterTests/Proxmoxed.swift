import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// What one test has of the stand-in for Proxmox: a caller, and a provider with marks of its own.
struct ProxmoxScene: RunnerScene {
    let proxmox: StandInProxmox
    let caller: Caller
    let provider: ProxmoxProvider
    let orchestrator: String
    fileprivate let config: ProxmoxConfig

    func order(_ runnerID: String, memoryMB: Int = 2048) throws -> RunnerOrder {
        RunnerOrder(
            runnerID: runnerID, request: caller.order(memoryMB: memoryMB),
            key: try #require(SSHPublicKey(line: caller.publicKey)))
    }

    func create(_ runnerID: String) async throws -> ReadyRunner { try await make(try order(runnerID), by: provider) }

    func problem(making runnerID: String, memoryMB: Int = 2048) async throws -> String {
        try await ClusterTests.problem(making: try order(runnerID, memoryMB: memoryMB), by: provider)
    }

    /// The marks, as a machine has them in its tags and its description.
    func marks(_ runnerID: String, of orchestrator: String? = nil) -> [String] {
        ProxmoxMachine.tags(of: Marks(orchestrator: orchestrator ?? self.orchestrator, runner: runnerID))
    }

    /// The provider as another life of the orchestrator has it, or of another orchestrator.
    func reborn(as orchestrator: String? = nil) async throws -> ProxmoxProvider {
        try await openProxmox(config, orchestrator ?? self.orchestrator, CloudLimits())
    }
}

private func openProxmox(
    _ config: ProxmoxConfig, _ orchestrator: String, _ limits: CloudLimits
) async throws -> ProxmoxProvider {
    try await onOwnThread {
        Result { () throws(ProviderError) in
            try ProxmoxProvider(
                name: "proxmox", config, token: Array(StandInProxmox.token.utf8), orchestrator: orchestrator,
                limits: limits)
        }
    }.get()
}

/// A scene of one test, after which the cluster is as empty as before.
func withProxmox(
    _ fields: [String: JSONValue] = [:], limits: CloudLimits = CloudLimits(),
    _ body: (ProxmoxScene) async throws -> Void
) async throws {
    try await StandInProxmox.with(try requireCluster()) { proxmox in
        try await withTemporaryFolder { folder in
            let read = try #require(
                try ProviderConfig(JSONNode(.object(proxmoxConfig(proxmox, fields)))).proxmox)
            let orchestrator = "o-\(UUID().uuidString.lowercased().prefix(8))"
            try await body(
                ProxmoxScene(
                    proxmox: proxmox, caller: try await Caller(in: folder),
                    provider: try await openProxmox(read, orchestrator, limits), orchestrator: orchestrator,
                    config: read))
            let left = proxmox.machines.map(\.vmid)
            guard left.isEmpty else { throw FixtureError("left behind: \(left)") }
        }
    }
}

func proxmoxConfig(_ proxmox: StandInProxmox, _ fields: [String: JSONValue] = [:]) -> [String: JSONValue] {
    [
        "kind": "proxmox", "endpoint": .string(proxmox.url), "token": ["via": "env", "name": "PROXMOX_TOKEN"],
        "nodes": ["pve1", "pve2"], "template": "lian-runner", "pool": .string(StandInProxmox.pool),
        "vmids": ["first": 9001, "last": 9010],
    ].merging(fields) { $1 }
}
