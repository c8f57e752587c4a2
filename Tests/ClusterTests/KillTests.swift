import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Row 44: the orchestrator is killed in each step of making and of unmaking a runner.
extension Clustered.Runners {
    @Suite struct KillTests {
        enum Moment: String, CaseIterable, Sendable {
            case beforeCreate, afterCreate, beforeStart, afterStart, whileBooting, beforeStop, afterStop

            func isNow(_ method: String, _ target: String, puts: Int) -> Bool {
                switch self {
                case .beforeCreate, .afterCreate: method == "POST" && target.hasPrefix("/1.0/instances?")
                case .beforeStart, .afterStart: method == "PUT" && target.contains("/state") && puts == 1
                case .whileBooting: target.contains("/files?")
                case .beforeStop, .afterStop: method == "PUT" && target.contains("/state") && puts == 2
                }
            }

            /// Whether the cluster hears of the step.
            var deed: Door.Deed { rawValue.hasPrefix("before") ? .loseRequest : .loseAnswer }
        }

        /// The request reaches the cluster only when the next start has looked already.
        @Test func whatComesAfterTheNextStartIsFound() async throws {
            try await withOrchestratorBehindDoor { cluster, door, orchestrator, caller in
                let (isReached, gate) = (Guarded(false), Monitor(false))
                defer { gate.update { $0 = true } }
                door.rule { method, target in
                    if method == "POST", target.hasPrefix("/1.0/instances") {
                        isReached.set(true)
                        gate.wait(atMost: nil) { $0 ? true : nil }
                    }
                    return .pass
                }
                _ = try await orchestrator.spawn(caller.order(memoryMB: 512), key: UUID().uuidString)
                #expect(await eventually { isReached.value })
                orchestrator.kill()
                try await orchestrator.start()
                #expect(try await cluster.instances().isEmpty)
                gate.update { $0 = true }
                #expect(try await eventually { try await !cluster.instances().isEmpty })
                #expect(try await eventually { try await cluster.instances().isEmpty }, "\(orchestrator.log)")
                #expect(orchestrator.hasLogged("stray_found"))
            }
        }

        @Test(arguments: Moment.allCases)
        func whatIsLeftIsFound(moment: Moment) async throws {
            try await withOrchestratorBehindDoor { cluster, door, orchestrator, caller in
                let puts = Guarded(0)
                let isReached = Guarded(false)
                door.rule { method, target in
                    if method == "PUT", target.contains("/state") { puts.update { $0 += 1 } }
                    guard moment.isNow(method, target, puts: puts.value) else { return .pass }
                    isReached.set(true)
                    return moment.deed
                }
                let spawned = try await orchestrator.spawn(caller.order(memoryMB: 512), key: UUID().uuidString)
                let id = spawned.json["data"]?["runner_id"]?.stringValue ?? ""
                async let destroyed = destroyOnceReady(id, orchestrator, if: moment)
                #expect(await eventually { isReached.value })
                orchestrator.kill()
                _ = try? await destroyed
                // What the cluster has begun goes on without us.
                door.rule { _, _ in .pass }
                try await orchestrator.start()
                #expect(try await eventually { try await cluster.instances().filter { $0.contains(id) }.isEmpty })
                #expect(try await orchestrator.runners().isEmpty)
            }
        }

        private func destroyOnceReady(_ id: String, _ orchestrator: LianTestSupport.Orchestrator, if moment: Moment)
            async throws
        {
            guard [.beforeStop, .afterStop].contains(moment) else { return }
            _ = try await orchestrator.request("GET", "/api/v1/runners/\(id)?wait=30")
            try await orchestrator.destroy(id)
        }

        /// An orchestrator whose requests to the cluster go through a door.
        private func withOrchestratorBehindDoor(
            _ body: (Cluster, Door, LianTestSupport.Orchestrator, Caller) async throws -> Void
        ) async throws {
            let cluster = try requireCluster()
            try await withShortTemporaryFolder { folder in
                let door = try Door(at: folder.appending(path: "door").path, before: cluster.socket(of: "c1"))
                defer { door.stop() }
                let file = try writeConfig(
                    ["kind": "lxd", "socket": .string(door.path), "image": .string(Cluster.image)], in: folder)
                try await withOrchestrator(flags: ["--config", file]) { orchestrator in
                    try await body(cluster, door, orchestrator, try await Caller(in: folder))
                }
            }
        }
    }
}
