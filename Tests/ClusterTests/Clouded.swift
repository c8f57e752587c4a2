import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// What one test has of the stand-in cloud: a caller, and a provider with marks of its own.
struct CloudScene: RunnerScene {
    let cloud: StandInCloud
    let caller: Caller
    let provider: HCloudProvider
    let orchestrator: String

    func order(_ runnerID: String, tier: String? = "cx22") throws -> RunnerOrder {
        var request = caller.order(memoryMB: 2048)
        request.size.tier = tier
        return RunnerOrder(
            runnerID: runnerID, request: request, key: try #require(SSHPublicKey(line: caller.publicKey)))
    }

    func create(_ runnerID: String) async throws -> ReadyRunner { try await make(try order(runnerID), by: provider) }

    func problem(making runnerID: String) async throws -> String {
        try await ClusterTests.problem(making: try order(runnerID), by: provider)
    }

    func servers(of runnerID: String) -> [StandInCloud.Server] {
        cloud.servers.filter { $0.labels[HCloudMachine.Label.runner] == runnerID }
    }
}

/// A scene of one test, after which the cloud is as empty as before.
func withCloud(
    _ fields: [String: JSONValue] = [:], limits: CloudLimits = CloudLimits(),
    _ body: (CloudScene) async throws -> Void
) async throws {
    try await StandInCloud.with(try requireCluster()) { cloud in
        try await withTemporaryFolder { folder in
            let config = try cloudConfig(cloud, fields)
            let read = try #require(try ProviderConfig(JSONNode(.object(config))).hcloud)
            let orchestrator = "o-\(UUID().uuidString.lowercased().prefix(8))"
            let provider = try await onOwnThread {
                Result { () throws(ProviderError) in
                    try HCloudProvider(
                        name: "hcloud", read, token: Array(StandInCloud.token.utf8), orchestrator: orchestrator,
                        limits: limits)
                }
            }.get()
            try await body(
                CloudScene(
                    cloud: cloud, caller: try await Caller(in: folder), provider: provider, orchestrator: orchestrator))
            let left = cloud.servers.map(\.name)
            guard left.isEmpty else { throw FixtureError("left behind: \(left)") }
        }
    }
}

func cloudConfig(_ cloud: StandInCloud, _ fields: [String: JSONValue] = [:]) throws -> [String: JSONValue] {
    [
        "kind": "hcloud", "endpoint": .string(cloud.url), "token": ["via": "env", "name": "CLOUD_TOKEN"],
        "types": ["cx22": ["cx23", "cpx22"]], "locations": ["fsn1", "nbg1", "hel1"], "image": "debian-12",
    ].merging(fields) { $1 }
}

/// Counts, from 1 on.
final class Count: Sendable {
    private let count = Guarded(0)

    func next() -> Int {
        var now = 0
        count.update {
            $0 += 1
            now = $0
        }
        return now
    }
}
