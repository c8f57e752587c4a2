import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

extension Clustered.Runners {
    @Suite struct RunnerTests {
        /// From nothing to an image, over SSH to the key that was told, and back to nothing.
        @Test func aRunnerIsMadeBuildsAndGoes() async throws {
            try await withCluster { scene in
                let id = scene.id()
                let runner = try await scene.create(id)
                #expect(try scene.isAlive(id))
                #expect(try scene.provider.existing() == [id])
                try await scene.caller.prepare(runner, "RUN echo hello from the cluster")
                let built = try await scene.caller.build(runner, "--output type=image,name=app:1")
                #expect(built.termination == .exited(0), "\(built.errorText)")
                #expect(built.errorText.contains("hello from the cluster"))
                try await scene.destroy(id)
                #expect(try scene.provider.existing().isEmpty)
                // A destroy may be repeated.
                try await scene.destroy(id)
            }
        }

        /// What a build step could read: neither the host's key on its way here, nor the door to the cluster.
        @Test func theRunnerIsAsTheOrderSays() async throws {
            try await withCluster { scene in
                let id = scene.id()
                let runner = try await scene.create(id)
                func tell(_ command: String) async throws -> String {
                    try await scene.caller.ssh(runner, command).outputText.trimmingLineEnd()
                }
                #expect(try await tell("ls /etc/user-data /dev/lxd 2>/dev/null").isEmpty)
                #expect(try await tell("stat -f -c %T \"$XDG_RUNTIME_DIR\"") == "tmpfs")
                #expect(try await tell("echo $LIAN_RUNNER") == id)
                let path = "/1.0/instances/lian-\(id)"
                let config = try await scene.cluster.get(path)["config"]
                #expect(config?["limits.memory"] == "512MiB")
                #expect(config?["limits.cpu.allowance"] == "100ms/100ms")
                #expect(config?["security.privileged"] == nil)
                try await scene.destroy(id)
            }
        }

        /// Memory is counted: the members fill up side by side, and what has no room is told so.
        @Test func runnersSpreadOverTheMembersAndAreBounded() async throws {
            try await withCluster { scene in
                let ids = (0..<3).map { _ in scene.id() }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for id in ids { group.addTask { _ = try await scene.create(id, memoryMB: 2048) } }
                    try await group.waitForAll()
                }
                var members: Set<String> = []
                for id in ids {
                    let instance = try await scene.cluster.get("/1.0/instances/lian-\(id)")
                    members.insert(instance["location"]?.stringValue ?? "")
                }
                #expect(members == Set(Cluster.names))
                var huge = try scene.order(scene.id()).request
                huge.size.memoryMB = 2_000_000
                guard case .noRoom(let reason)? = scene.provider.obstacle(to: huge) else {
                    Issue.record("2 TB have room")
                    return
                }
                #expect(reason.hasPrefix("no member has 2000000 MB of memory left: "))
                for id in ids { try await scene.destroy(id) }
            }
        }

        /// What died by itself is noticed, and a machine that is being made is not taken for dead.
        @Test func aContainerThatEndsIsNoticed() async throws {
            try await withCluster { scene in
                let id = scene.id()
                _ = try await scene.create(id)
                #expect(try scene.isAlive(id))
                try await scene.cluster.lxc(["stop", "--force", "lian-\(id)"])
                #expect(try await eventually { try !scene.isAlive(id) })
                try await scene.destroy(id)
            }
        }

        /// One that somebody has paused is no runner any more, and is removed as all others are.
        @Test func aContainerThatIsPausedIsRemoved() async throws {
            try await withCluster { scene in
                let id = scene.id()
                _ = try await scene.create(id)
                try await scene.cluster.lxc(["pause", "lian-\(id)"])
                #expect(try await eventually { try !scene.isAlive(id) })
                try await scene.destroy(id)
            }
        }
    }
}
