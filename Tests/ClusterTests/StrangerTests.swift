import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Others use the cluster too: only what carries both marks is this orchestrator's.
extension Clustered.Runners {
    @Suite struct StrangerTests {
        private func make(_ scene: ClusterScene, _ name: String, _ config: [String: String]) async throws {
            let flags = config.flatMap { ["--config", "\($0.key)=\($0.value)"] }
            try await scene.cluster.lxc(["init", Cluster.image, name] + flags)
        }

        /// Row 45: of an earlier life of the same runner.
        @Test func ourOwnOfBeforeIsReplaced() async throws {
            try await withCluster { scene in
                let id = scene.id()
                try await make(
                    scene, "lian-\(id)",
                    [
                        LXDInstance.Key.orchestrator: scene.orchestrator, LXDInstance.Key.runner: id,
                        "user.note": "before",
                    ])
                #expect(try scene.provider.existing() == [id])
                _ = try await scene.create(id)
                let found = try await scene.cluster.get("/1.0/instances/lian-\(id)")
                #expect(found["config"]?["user.note"] == nil)
                #expect(found["status"] == "Running")
                try await scene.destroy(id)
            }
        }

        /// Row 45: a stranger's of that name stays, and the runner gets another.
        @Test func aStrangersNameIsLeftToIt() async throws {
            try await withCluster { scene in
                let id = scene.id()
                try await make(scene, "lian-\(id)", ["user.note": "a stranger's"])
                _ = try await scene.create(id)
                #expect(
                    try await scene.cluster.instances().filter { $0.contains(id) } == ["lian-\(id)", "lian-\(id)-2"])
                try await scene.destroy(id)
                let left = try await scene.cluster.get("/1.0/instances/lian-\(id)")
                #expect(left["config"]?["user.note"] == "a stranger's")
                try await scene.cluster.lxc(["delete", "lian-\(id)"])
            }
        }

        /// Row 46: names like ours, and one mark of two, are nobody's reason to touch it.
        @Test func halfOfTheMarksIsNoMark() async throws {
            try await withCluster { scene in
                let id = scene.id()
                let strangers: [String: [String: String]] = [
                    "lian-\(id)-a": [:],
                    "lian-\(id)-b": [LXDInstance.Key.orchestrator: scene.orchestrator],
                    "lian-\(id)-c": [LXDInstance.Key.runner: id],
                    "lian-\(id)-d": [LXDInstance.Key.orchestrator: "o-another", LXDInstance.Key.runner: id],
                ]
                for (name, config) in strangers { try await make(scene, name, config) }
                #expect(try scene.provider.existing().isEmpty)
                try await scene.destroy(id)
                #expect(
                    try await scene.cluster.instances().filter { $0.contains(id) } == strangers.keys.sorted())
                for name in strangers.keys { try await scene.cluster.lxc(["delete", name]) }
            }
        }
    }
}
