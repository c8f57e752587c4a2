import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Members that die and come back.
extension Clustered.Members {
    @Suite struct MemberTests {
        /// Row 42: a cluster without a majority answers nothing at all. It is told so in bounded time, and well again
        /// without a restart of ours.
        @Test func noQuorumIsTold() async throws {
            try await withCluster { scene in
                let id = scene.id()
                let runner = try await scene.create(id)
                let request = try scene.order(scene.id()).request
                for member in ["c2", "c3"] { scene.cluster.killDaemon(of: member) }
                // The first answers may still come: the leader needs a while to see that it is alone.
                var longest = Duration.zero
                let isTold = await eventually {
                    let start = ContinuousClock.now
                    let obstacle = await onOwnThread { scene.provider.obstacle(to: request) }
                    longest = max(longest, ContinuousClock.now - start)
                    if case .unreachable? = obstacle { return true }
                    return false
                }
                #expect(isTold)
                #expect(longest < .seconds(15))
                // What the reaper asks meanwhile is answered at once, and kills no runner.
                let before = ContinuousClock.now
                let isAlive = try? scene.isAlive(id)
                #expect(isAlive ?? true)
                #expect(ContinuousClock.now - before < .seconds(5))
                // Looks that began before may still end, and have seen a cluster that answers.
                let isKnown = await eventually {
                    _ = try? scene.isAlive(id)
                    return scene.provider.problem != nil
                }
                #expect(isKnown)
                for member in ["c2", "c3"] { try await scene.cluster.start(member) }
                #expect(await eventually { await onOwnThread { scene.provider.obstacle(to: request) } == nil })
                #expect(try await scene.caller.ssh(runner, "true").termination.isSuccess)
                #expect(await eventually { (try? await scene.destroy(id)) != nil })
            }
        }

        /// Just after a cluster has lost its leader, it tells of each member that it is offline. Who makes a runner then
        /// waits for the next leader.
        @Test func aNewLeaderIsWaitedFor() async throws {
            try await withDoor { scene, door in
                let id = scene.id()
                door.replace("Online", by: "Absent")
                let made = Task { try await scene.create(id) }
                let isAskedAgain = await eventually {
                    door.seen.value.count { $0.line.contains("/1.0/cluster/members") } >= 3
                }
                #expect(isAskedAgain)
                #expect(scene.provider.problem?.contains("none of its members counts as online") == true)
                door.replace("Absent", by: "Online")
                _ = try await made.value
                try await scene.destroy(id)
            }
        }

        /// Row 42, by the real program: no runner is asked for in vain for long, and those that are there keep their
        /// leases.
        @Test func noQuorumIsToldOverHTTP() async throws {
            try await withClusterStage { ground in
                try await withTemporaryFolder { folder in
                    let orchestrator = ground.stage.orchestrator
                    let caller = try await Caller(in: folder)
                    let runner = try await orchestrator.readyRunner(caller.order(memoryMB: 512))
                    let lost = Cluster.names.suffix(2)
                    for member in lost { ground.cluster.killDaemon(of: member) }
                    var longest = Duration.zero
                    let isTold = try await eventually {
                        let start = ContinuousClock.now
                        let answer = try await orchestrator.spawn(caller.order(memoryMB: 512), key: UUID().uuidString)
                        longest = max(longest, ContinuousClock.now - start)
                        return answer.status == 503 && answer.json["error"]?["code"] == "provider_unreachable"
                            && answer.headers["retry-after"] == "10"
                    }
                    #expect(isTold && longest < .seconds(15), "\(longest)")
                    let start = ContinuousClock.now
                    let beat = try await orchestrator.request("POST", "/api/v1/runners/\(runner.id)/heartbeat")
                    #expect(beat.status == 200)
                    #expect(try await orchestrator.runners().contains(runner.id))
                    #expect(ContinuousClock.now - start < .seconds(5))
                    for member in lost { try await ground.cluster.start(member) }
                    #expect(
                        try await eventually {
                            try await orchestrator.spawn(caller.order(memoryMB: 512), key: UUID().uuidString).status
                                == 201
                        })
                    #expect(
                        try await eventually {
                            for id in try await orchestrator.runners() { try await orchestrator.destroy(id) }
                            return try await ground.cluster.instances().isEmpty
                        })
                }
            }
        }

        private func member(of id: String, _ scene: ClusterScene) async throws -> String {
            try await scene.cluster.get("/1.0/instances/lian-\(id)")["location"]?.stringValue ?? ""
        }

        /// Row 39: without its daemon a container lives on, and so does the runner; it goes when the member is back.
        @Test func aMembersDaemonDiesAndComesBack() async throws {
            try await withCluster { scene in
                let id = try await runnerNotOn(scene, "c1")
                let member = try await member(of: id, scene)
                let next = try await onOwnThread {
                    Result { () throws(ProviderError) in
                        try LXDProvider(name: "lxd", scene.provider.config, key: [], orchestrator: scene.orchestrator)
                    }
                }.get()
                scene.cluster.killDaemon(of: member)
                #expect(try await eventually { try await status(of: id, scene) == "Error" })
                #expect(try await holds { try scene.isAlive(id) })
                // The next life of the orchestrator has its place from the books.
                let place = try #require(scene.places.value[id])
                #expect(await eventually { (try? next.isAlive(id, at: place)) == true })
                #expect(throws: ProviderError.self) { try next.isAlive(id) }
                await #expect(throws: ProviderError.self) { try await scene.destroy(id) }
                try await scene.cluster.start(member)
                #expect(await eventually { (try? await scene.destroy(id)) != nil })
            }
        }

        /// Row 41: the cluster's leader dies just when a runner is asked for.
        @Test func theLeaderDiesAtASpawn() async throws {
            try await withCluster(config: { try await networkConfig($0, in: $1) }) { scene in
                let leader = try await scene.cluster.leader()
                scene.cluster.killDaemon(of: leader)
                let id = scene.id()
                let runner = try await scene.create(id)
                #expect(try await scene.caller.ssh(runner, "true").termination.isSuccess)
                try await scene.cluster.start(leader)
                #expect(await eventually { (try? await scene.destroy(id)) != nil })
            }
        }

        /// Row 40: its whole host dies.
        @Test func aMembersHostDies() async throws {
            try await withCluster { scene in
                let id = try await runnerNotOn(scene, "c1")
                let member = try await member(of: id, scene)
                let slowness = try Slowness()
                let death = ContinuousClock.now
                try await scene.cluster.killHost(of: member)
                #expect(await eventually { (try? scene.isAlive(id)) == false })
                #expect(ContinuousClock.now - death < .seconds(20 * slowness.factor(since: death)))
                #expect(scene.provider.causeOfDeath(id).contains("member \(member) does not answer"))
                let next = scene.id()
                #expect(await eventually { (try? await scene.create(next)) != nil })
                #expect(try await self.member(of: next, scene) != member)
                try await scene.cluster.start(member)
                for id in [id, next] { #expect(await eventually { (try? await scene.destroy(id)) != nil }) }
            }
        }

        private func status(of id: String, _ scene: ClusterScene) async throws -> String? {
            let list = try await scene.cluster.get("/1.0/instances?recursion=1").arrayValue ?? []
            return list.first { $0["name"] == .string("lian-\(id)") }?["status"]?.stringValue
        }

        /// On each of several looks, which the provider takes behind the scenes.
        private func holds(_ condition: () throws -> Bool) async throws -> Bool {
            for _ in 0..<20 {
                guard try condition() else { return false }
                try await Task.sleep(for: .milliseconds(200))
            }
            return true
        }

        /// The tests ask the first member, so that another one has to die.
        private func runnerNotOn(_ scene: ClusterScene, _ member: String) async throws -> String {
            var others: [String] = []
            while true {
                let id = scene.id()
                _ = try await scene.create(id)
                if try await self.member(of: id, scene) != member {
                    for id in others { try await scene.destroy(id) }
                    return id
                }
                others.append(id)
            }
        }
    }
}
