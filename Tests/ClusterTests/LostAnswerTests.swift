import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// What the cluster was asked for and what it has answered do not always arrive.
extension Clustered.Runners {
    @Suite struct LostAnswerTests {
        private enum Step: String, CaseIterable, Sendable {
            case create, start, stop

            func isAsked(_ method: String, _ target: String) -> Bool {
                switch self {
                case .create: method == "POST" && target.hasPrefix("/1.0/instances?")
                case .start, .stop: method == "PUT" && target.contains("/state")
                }
            }
        }

        /// Row 43: one machine, whichever way the create was lost.
        @Test(arguments: [Door.Deed.loseRequest, .loseAnswer])
        func aLostCreateMakesOneMachine(deed: Door.Deed) async throws {
            try await lose(.create, deed) { scene, id in
                _ = try await scene.create(id)
                #expect(try await scene.cluster.instances().filter { $0.contains(id) } == ["lian-\(id)"])
                try await scene.destroy(id)
            }
        }

        @Test(arguments: [Door.Deed.loseRequest, .loseAnswer])
        func aLostStartIsNoFailure(deed: Door.Deed) async throws {
            try await lose(.start, deed) { scene, id in
                let runner = try await scene.create(id)
                #expect(try await scene.caller.ssh(runner, "true").termination.isSuccess)
                try await scene.destroy(id)
            }
        }

        /// A stop that was lost is told, and the next try finds what is left.
        @Test(arguments: [Door.Deed.loseRequest, .loseAnswer])
        func aLostStopIsTriedAgain(deed: Door.Deed) async throws {
            try await withDoor { scene, door in
                let id = scene.id()
                _ = try await scene.create(id)
                arm(door, .stop, deed)
                _ = try? await scene.destroy(id)
                try await scene.destroy(id)
                #expect(try await scene.cluster.instances().filter { $0.contains(id) }.isEmpty)
            }
        }

        private func lose(
            _ step: Step, _ deed: Door.Deed, _ body: (ClusterScene, String) async throws -> Void
        ) async throws {
            try await withDoor { scene, door in
                let lost = arm(door, step, deed)
                try await body(scene, scene.id())
                #expect(lost.value)
            }
        }

        /// The first such request, or its answer, is lost.
        @discardableResult
        private func arm(_ door: Door, _ step: Step, _ deed: Door.Deed) -> Guarded<Bool> {
            let isLost = Guarded(false)
            door.rule { method, target in
                guard step.isAsked(method, target), !isLost.value else { return .pass }
                isLost.set(true)
                return deed
            }
            return isLost
        }
    }
}
