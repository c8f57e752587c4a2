import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Volumes on the pools of the cluster's members.
extension Clustered.Volumes {
    @Suite(.needsNATSServer, .needsNickel) struct VolumeTests {
        /// What the first build left the second finds, on the member where it lies; another workspace finds nothing.
        @Test func theSecondBuildIsWarm() async throws {
            try await withClusterStage { ground in
                try await withBuildScene(on: ground.stage) { scene in
                    let first = try await build(scene)
                    #expect(first["volume"]["state"] == "cold" && first["volume"]["reason"] == "none_yet")
                    #expect(first["volume"]["kept"] == true, "\(first.story) \(ground.stage.orchestrator.log)")
                    let kept = try await ground.cluster.volumes()
                    #expect(kept.map(\.isKept) == [true])

                    let second = try await build(scene)
                    #expect(second["volume"]["state"] == "warm", "\(second.story)")
                    #expect(second["volume"]["generation"] == 1)
                    #expect(second.artifact["steps"]?["cached"] == second.artifact["steps"]?["total"])
                    #expect(second["volume"]["kept"] == true || second["volume"]["reason"] == "superseded")

                    let listed = try await ground.stage.orchestrator.volumes()
                    #expect(listed.map { $0["provider"] } == ["lxd"])
                    #expect((listed.first?["bytes"]?.intValue ?? 0) > 1 << 20)
                }
            }
        }

        /// Row 51: its member is gone. The build is cold elsewhere, and warm again from there.
        @Test func aVolumeOnAMemberThatIsGone() async throws {
            try await withClusterStage { ground in
                try await withBuildScene(on: ground.stage) { scene in
                    _ = try await build(scene)
                    let member = try #require(try await ground.cluster.volumes().first?.member)
                    try await ground.cluster.killHost(of: member)
                    let witness = try #require(Cluster.names.first { $0 != member })
                    let second = try await build(scene)
                    #expect(second.status == 0, "\(second.story) \(ground.stage.orchestrator.log)")
                    #expect(second["volume"]["state"] == "cold" && second["volume"]["reason"] == "no_room")
                    #expect(second["volume"]["kept"] == true, "\(second.story)")
                    #expect(ground.stage.orchestrator.log.contains("cannot be cloned: "))
                    #expect(try await ground.cluster.volumes(at: witness).contains { $0.isKept && $0.member != member })
                    let third = try await build(scene)
                    #expect(third["volume"]["state"] == "warm" && third["volume"]["generation"] == 2, "\(third.story)")
                    try await ground.cluster.start(member)
                }
            }
        }

        /// What an engine keeps from runner to runner stays below what a volume may have.
        @Test func anEngineForgetsWhatIsTooMuch() async throws {
            try await withCluster { scene in
                let volumes = try #require(scene.provider.volumes)
                var sizes: [Int] = []
                for limit in [nil, 1_000_000] {
                    let id = scene.id()
                    var order = try scene.order(id)
                    order.volume = OrderedVolume(folder: BootScript.volume, isWarm: false)
                    let runner = try await make(order, by: scene.provider)
                    try await scene.caller.prepare(runner, "RUN busybox head -c 20000000 /dev/urandom > /noise")
                    let built = try await scene.caller.build(runner, "")
                    #expect(built.termination == .exited(0), "\(built.errorText)")
                    let end = try await onOwnThread {
                        Result { () throws(ProviderError) in try scene.provider.stopEngine(id, leaving: limit) }
                    }.get()
                    #expect(end == .clean)
                    sizes.append(try volumes.size(lentTo: id))
                    try await scene.destroy(id)
                    try volumes.remove(lentTo: id)
                }
                #expect(sizes[0] - sizes[1] > 15_000_000, "\(sizes)")
            }
        }

        private enum Damage: String, CaseIterable, Sendable { case link, stranger, database }

        /// What builds can do to a volume harms nobody: it is set aside, and the build is cold.
        @Test(arguments: Damage.allCases)
        private func aDamagedVolumeIsSetAside(damage: Damage) async throws {
            try await withClusterStage { ground in
                try await withBuildScene(on: ground.stage) { scene in
                    _ = try await build(scene)
                    let volume = try #require(try await ground.cluster.volumes().first)
                    let folder = ground.cluster.folder(of: volume)
                    switch damage {
                    case .link:
                        try FileManager.default.createSymbolicLink(
                            atPath: "\(folder)/engine/planted", withDestinationPath: "/etc")
                    case .stranger: try writeFile("\(folder)/planted", "")
                    case .database:
                        let database = "\(folder)/engine/buildkit/metadata_v2.db"
                        try writeFile(database, "no database")
                    }
                    let second = try await build(scene)
                    #expect(second.status == 0, "\(second.story) \(ground.stage.orchestrator.log)")
                    #expect(second["volume"]["state"] == "cold" && second["volume"]["reason"] == "damaged")
                    #expect(second["volume"]["kept"] == true, "\(second.story)")
                    let third = try await build(scene)
                    #expect(third["volume"]["state"] == "warm", "\(third.story)")
                }
            }
        }

        /// Where the pool cannot clone, or the operator says so, one runner has the volume at a time.
        @Test func exclusively() async throws {
            try await withClusterStage(flags: ["--volumes", "exclusive"]) { ground in
                let orchestrator = ground.stage.orchestrator
                try await withTemporaryFolder { folder in
                    let caller = try await Caller(in: folder)
                    let first = try await orchestrator.readyRunner(order(caller))
                    #expect(first.volume?.state == .cold)
                    #expect(try await keep(first.id, orchestrator)["kept"] == true, "\(orchestrator.log)")
                    try await orchestrator.destroy(first.id)
                    let second = try await orchestrator.readyRunner(order(caller))
                    #expect(second.volume?.state == .warm, "\(orchestrator.log)")
                    let third = try await orchestrator.readyRunner(order(caller))
                    #expect(third.volume?.state == .cold && third.volume?.reason == "in_use")
                    for runner in [second, third] { try await orchestrator.destroy(runner.id) }
                    #expect(orchestrator.hasLogged("volume_lost"))
                    #expect(try await orchestrator.volumes().isEmpty)
                }
            }
        }

        /// A volume of the cluster's is no other provider's, also after a restart.
        @Test func besideAProviderOfThisMachine() async throws {
            let cluster = try requireCluster()
            try await withTemporaryFolder { folder in
                let providers: [JSONValue] = [
                    ["kind": "local"],
                    [
                        "kind": "lxd", "name": "cluster", "socket": .string(cluster.socket(of: "c1")),
                        "image": .string(Cluster.image),
                    ],
                ]
                let file = folder.appending(path: "orchestrator.json").path
                try writeFile(file, JSONValue.object(["providers": .array(providers)]).encoded())
                try await withOrchestrator(flags: ["--config", file]) { orchestrator in
                    let caller = try await Caller(in: folder)
                    func runner(on provider: String) async throws -> ReadyRunner {
                        var order = order(caller)
                        order.provider = provider
                        return try await orchestrator.readyRunner(order)
                    }
                    let first = try await runner(on: "cluster")
                    #expect(first.volume?.reason == "none_yet")
                    #expect(try await keep(first.id, orchestrator)["kept"] == true, "\(orchestrator.log)")
                    try await orchestrator.destroy(first.id)
                    orchestrator.kill()
                    try await orchestrator.start()
                    let near = try await runner(on: "local")
                    #expect(near.volume?.state == .cold && near.volume?.reason == "other_provider")
                    let away = try await runner(on: "cluster")
                    #expect(away.volume?.state == .warm, "\(orchestrator.log)")
                    for runner in [near, away] { try await orchestrator.destroy(runner.id) }
                    #expect(try await orchestrator.volumes().map { $0["provider"] } == ["cluster"])
                    try await delete(Self.name, of: orchestrator)
                    #expect(try await eventually { try await cluster.volumes().isEmpty })
                }
            }
        }

        private enum Moment: String, CaseIterable, Sendable {
            case beforeCopy, afterCopy, beforeMark, afterMark, beforeClone, afterClone

            func isNow(_ method: String, _ target: String, _ copies: Int) -> Bool {
                guard target.contains("/volumes/custom") else { return false }
                return switch self {
                case .beforeCopy, .afterCopy: method == "POST" && copies == 1
                case .beforeMark, .afterMark: method == "PATCH"
                case .beforeClone, .afterClone: method == "POST" && copies == 1
                }
            }

            var isOfKeeping: Bool { ![.beforeClone, .afterClone].contains(self) }
            var deed: Door.Deed { rawValue.hasPrefix("before") ? .loseRequest : .loseAnswer }
        }

        /// Row 53: the orchestrator is killed in each step of keeping and of cloning. There is the old head or the new
        /// one, whole, and nothing half made.
        @Test(arguments: Moment.allCases)
        private func killedWhileItIsKept(moment: Moment) async throws {
            let cluster = try requireCluster()
            try await withShortTemporaryFolder { folder in
                let door = try Door(at: folder.appending(path: "door").path, before: cluster.socket(of: "c1"))
                defer { door.stop() }
                let provider: [String: JSONValue] = [
                    "kind": "lxd", "socket": .string(door.path), "image": .string(Cluster.image),
                ]
                let flags = ["--config", try writeConfig(provider, in: folder)]
                try await withOrchestrator(flags: flags) { orchestrator in
                    let caller = try await Caller(in: folder)
                    let first = try await orchestrator.readyRunner(order(caller))
                    #expect(try await keep(first.id, orchestrator)["kept"] == true, "\(orchestrator.log)")
                    try await orchestrator.destroy(first.id)

                    let copies = Guarded(0)
                    let isReached = Guarded(false)
                    func arm() {
                        door.rule { method, target in
                            if method == "POST", target.contains("/volumes/custom") { copies.update { $0 += 1 } }
                            guard moment.isNow(method, target, copies.value) else { return .pass }
                            isReached.set(true)
                            return moment.deed
                        }
                    }
                    if moment.isOfKeeping {
                        let second = try await orchestrator.readyRunner(order(caller))
                        arm()
                        async let kept = keep(second.id, orchestrator)
                        #expect(await eventually { isReached.value })
                        orchestrator.kill()
                        _ = try? await kept
                    } else {
                        arm()
                        _ = try await orchestrator.spawn(order(caller), key: UUID().uuidString)
                        #expect(await eventually { isReached.value })
                        orchestrator.kill()
                    }
                    door.rule { _, _ in .pass }
                    try await orchestrator.start()
                    for id in try await orchestrator.runners() { try await orchestrator.destroy(id) }
                    #expect(try await eventually { try await cluster.volumes().count == 1 })
                    #expect(try await cluster.volumes().allSatisfy(\.isKept))
                    let next = try await orchestrator.readyRunner(order(caller))
                    #expect(next.volume?.state == .warm, "\(orchestrator.log)")
                    try await orchestrator.destroy(next.id)
                    try await delete(Self.name, of: orchestrator)
                    #expect(try await eventually { try await cluster.volumes().isEmpty })
                }
            }
        }

        // MARK: - What these have in common

        private static var name: VolumeName {
            guard let name = VolumeName("ci/acme/app") else { preconditionFailure("no name of a volume") }
            return name
        }

        private func delete(_ name: VolumeName, of orchestrator: LianTestSupport.Orchestrator) async throws {
            _ = try await orchestrator.request("DELETE", "/api/v1/volumes/\(percentEncoded(name.description))")
        }

        private func order(_ caller: Caller) -> SpawnRequest {
            var order = caller.order(memoryMB: 512)
            order.volume = VolumeRequest(from: [Self.name], to: Self.name)
            return order
        }

        private func keep(_ id: String, _ orchestrator: LianTestSupport.Orchestrator) async throws -> JSONValue {
            try await orchestrator.request(
                "POST", "/api/v1/runners/\(id)/keep", body: ["outcome": "succeeded", "executed_ms": 1000]
            ).json["data"] ?? .null
        }

        private func build(_ scene: BuildScene) async throws -> FinishedBuild {
            let context = scene.folder.appending(path: "context").path
            if !FileManager.default.fileExists(atPath: context) {
                _ = try scene.context("\(BuildScene.shell)RUN echo once >/made\n")
            }
            return try await scene.build(context: context)
        }
    }
}
