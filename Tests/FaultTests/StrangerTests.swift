import Foundation
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 58: whoever has a token of less does no more with it, whatever program holds it.
    @Suite struct StrangerTests {
        @Test("row 58: a session's token cannot write what CI trusts, and sees nothing of others", .realEngine)
        func poisoning() async throws {
            try await withTemporaryFolder { folder in
                let config = try await teamConfiguration(in: folder)
                try await withRealScene(flags: ["--config", config]) { scene, front in
                    func build(_ step: String, by token: String, _ more: [String] = []) async throws -> FinishedBuild {
                        let context = try scene.context(
                            BuildScene.shell + "RUN \(step)\n", named: "context-\(UUID().uuidString)")
                        return try await scene.build(
                            scene.flags(context) + more, environment: ["ORCHESTRATOR_TOKEN": token])
                    }
                    let first = try await build("echo ci", by: "token-of-the-test")
                    #expect(first.status == 0 && first["volume"]["kept"] == true, "\(first.story)")

                    // As a session the stranger builds, begins where CI was, and keeps what is its own.
                    let session = try await build("echo stranger", by: TeamToken.pullRequests, ["--actor", "pr-7"])
                    #expect(session.status == 0 && session["volume"]["state"] == "warm", "\(session.story)")
                    #expect(session["volume"]["kept"] == true)

                    // As CI it does not.
                    let poison = try await build("echo poison", by: TeamToken.pullRequests)
                    #expect(poison.status == 3 && poison.errorCode == "orchestrator_refused", "\(poison.story)")
                    #expect(poison.message.contains("volumes of the layer 'ci'"), "\(poison.story)")
                    #expect(poison["runner"] == .null)

                    let stranger = try await build("echo elsewhere", by: TeamToken.elsewhere)
                    #expect(stranger.status == 3 && stranger.errorCode == "orchestrator_refused", "\(stranger.story)")

                    // Of what is there, others learn nothing: no runner, no volume, no build.
                    for target in ["/api/v1/runners", "/api/v1/volumes", "/api/v1/builds", "/api/v1/overview"] {
                        let seen = try await scene.orchestrator.request(
                            "GET", target, headers: ["Authorization": "Bearer \(TeamToken.viewerElsewhere)"])
                        #expect(seen.status == 200, "\(target)")
                        #expect(!seen.json.encoded().contains(scene.workspace), "\(target): \(seen.json.encoded())")
                    }

                    let second = try await build("echo ci again", by: "token-of-the-test")
                    #expect(
                        second["volume"]["generation"] == 1 && second["volume"]["state"] == "warm", "\(second.story)")
                    let log = scene.orchestrator.log
                    #expect(log.contains(#""token":"pull-requests""#) && log.contains(#""event":"refused""#))
                }
            }
        }
    }
}
