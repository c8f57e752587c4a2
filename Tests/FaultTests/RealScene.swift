import Foundation
import LianModel
import LianTestSupport
import Testing

/// A case with the real orchestrator, each runner with an engine of its own, and a front that can fail. The fixtures
/// look afterwards at the envelope, runners, processes, mounts and files. One that mostly waits does so beside all
/// others.
func withRealScene(
    waiting: Bool = false, diskKilobytes: Int? = nil, flags: [String] = [], environment: [String: String] = [:],
    authority: TestAuthority? = nil,
    _ body: @Sendable (BuildScene, OrchestratorFront) async throws -> Void
) async throws {
    try await takingTurns(waiting) { _ in
        let start = ContinuousClock.now
        try await withBuildStage(
            diskKilobytes: diskKilobytes, flags: flags, environment: environment, authority: authority
        ) { stage in
            let front = try OrchestratorFront(of: stage.orchestrator)
            defer { front.stop() }
            try await withBuildScene(on: stage) { scene in try await body(scene, front) }
        }
        tellTime(since: start)
    }
}

extension BuildScene {
    /// The build of an image with one step, through the front.
    func start(_ front: OrchestratorFront, step: String, _ more: [String] = []) throws -> RunningBuild {
        let context = try context(BuildScene.shell + "RUN \(step)\n", named: "context-\(UUID().uuidString)")
        return try start(flags(context) + more, environment: ["ORCHESTRATOR_URL": front.url])
    }

    /// A lease for who is killed, in seconds: nobody waits a minute and a half for its end then. A caller that lives renews
    /// it in time, each half minute, however busy the machine is.
    static let shortLease = 40

    /// A build that was killed has left its temporary files, and nobody else knows of them.
    func clearAwayAfterKill() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: temporaryFiles) {
            try FileManager.default.removeItem(atPath: "\(temporaryFiles)/\(name)")
        }
    }
}

extension Trait where Self == ConditionTrait {
    static var realEngine: ConditionTrait {
        .needsDockerEngine
    }
}
