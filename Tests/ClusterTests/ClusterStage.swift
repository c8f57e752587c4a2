import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The real orchestrator with runners on the cluster, and a registry that they reach.
struct ClusterStage {
    let stage: BuildStage
    let cluster: Cluster
    /// Where the orchestrator's configuration is.
    let folder: URL

    /// By which the cluster knows the orchestrator.
    var clientCertificate: String { folder.appending(path: "client.crt").path }

    /// Runners have no network: what they reach of this machine is a proxy of their member's.
    func letReach(_ place: String) async throws {
        try await cluster.letReach(place, by: cluster.profile(of: stage.registry))
    }

    /// Has the orchestrator forget all volumes, and waits until the cluster has none.
    fileprivate func deleteVolumes() async throws {
        let orchestrator = stage.orchestrator
        for volume in try await orchestrator.volumes() {
            _ = try await orchestrator.request("DELETE", "/api/v1/volumes/\(percentEncoded(volume["name", or: ""]))")
        }
        let isGone = try await eventually { try await cluster.volumes().isEmpty }
        #expect(isGone, "\(orchestrator.log)")
    }

    /// Where the only runner is.
    func memberOfTheRunner() async throws -> String {
        let instances = try await cluster.get("/1.0/instances?recursion=1").arrayValue ?? []
        guard instances.count == 1, let member = instances[0]["location"]?.stringValue else {
            throw FixtureError("not one runner: \(instances.map { $0["name"] ?? .null })")
        }
        return member
    }
}

extension LianTestSupport.Orchestrator {
    /// As the API lists them.
    func volumes() async throws -> [JSONValue] {
        try await request("GET", "/api/v1/volumes").json["data"]?.arrayValue ?? []
    }
}

/// Sets it up for the length of the body. In the end nothing is left on the cluster.
func withClusterStage(flags: [String] = [], _ body: (ClusterStage) async throws -> Void) async throws {
    let cluster = try requireCluster()
    try await withTemporaryFolder { folder in
        let config = try await networkConfig(cluster, in: folder)
        try await withBuildStage(
            engine: "auto",
            moreFlags: { registry in
                let profile = try await cluster.letReach(registry)
                let fields = config.merging(["profiles": ["default", .string(profile)]]) { $1 }
                return ["--config", try writeConfig(fields, in: folder)] + flags
            },
            { stage in
                let ground = ClusterStage(stage: stage, cluster: cluster, folder: folder)
                try await body(ground)
                try await ground.deleteVolumes()
                try await cluster.removeProfile(cluster.profile(of: stage.registry))
            })
    }
    let left = try await cluster.instances() + cluster.volumes().map(\.name)
    guard left.isEmpty else { throw FixtureError("left behind: \(left)") }
}

/// A build that is held in a step. In the end all runners have to go by themselves.
func withBuildInAStep(
    _ body: (ClusterStage, BuildScene, RunningBuild, StepGate) async throws -> Void
) async throws {
    try await withClusterStage { ground in
        try await withBuildScene(on: ground.stage) { scene in
            let gate = try StepGate()
            try await ground.letReach("127.0.0.1:\(gate.port)")
            // A proxy ends both ways with one, so the step has to leave its own open.
            let waiting = "busybox mkfifo /g && (busybox nc 127.0.0.1 \(gate.port) <>/g || true) && busybox rm /g"
            let context = try scene.context("\(BuildScene.shell)RUN \(waiting)\n")
            let build = try scene.start(scene.flags(context) + ["--volume", "off"])
            #expect(await eventually { gate.isReached || !build.isRunning })
            try await body(ground, scene, build, gate)
            #expect(await eventually { (try? await ground.cluster.instances())?.isEmpty == true })
            #expect(try await eventually { try await ground.stage.orchestrator.runners().isEmpty })
        }
    }
}
