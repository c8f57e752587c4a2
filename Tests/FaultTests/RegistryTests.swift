import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 61: a registry that has a bad minute, before a real engine.
    @Suite(.realEngine) struct RegistryTests {
        @Test(
            "row 61: a push meets a registry's bad minute, and then a good one",
            arguments: [
                RegistryFront.Fault.answer(503), .answer(429, headers: ["Retry-After": "1"]), .reset,
            ])
        func thePushIsTriedAgain(_ fault: RegistryFront.Fault) async throws {
            try await withRealScene { scene, front in
                try await withFront(of: scene.registry) { registry in
                    registry.spoil(["POST", "HEAD"], scene.workspace, fault)
                    let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                    let running = try scene.start(
                        scene.flags(context, behind: registry), environment: ["ORCHESTRATOR_URL": front.url])
                    try await running.says("trying again on the same runner")
                    registry.recover()
                    let build = try await running.finished()
                    try #require(build.status == 0, "\(build.story)")
                    #expect(build.digest != nil)
                    #expect(build.digest == (try await scene.pushedDigest()))
                    #expect(build.attempts.map { $0["registry_retries"] } == [1])
                    #expect(front.runners.count == 1 && registry.spoiledCount > 0)
                }
            }
        }

        @Test("row 61: a base image's registry has a bad minute", arguments: [503, 429])
        func thePullIsTriedAgain(_ status: Int) async throws {
            try await withRealScene { scene, front in
                try await withFront(of: scene.registry) { registry in
                    let base = try scene.context("FROM scratch\nCOPY Dockerfile /\n", named: "base")
                    let pushed = try await scene.build(
                        context: base, image: "base", environment: ["ORCHESTRATOR_URL": front.url])
                    try #require(pushed.status == 0, "\(pushed.story)")
                    registry.spoil(["HEAD", "GET"], "/base/manifests", .answer(status))
                    let context = try scene.context(
                        "FROM \(registry.host)/\(scene.workspace)/base:1\nCOPY Dockerfile /more\n")
                    let running = try scene.start(
                        scene.flags(context, behind: registry), environment: ["ORCHESTRATOR_URL": front.url])
                    try await running.says("trying again on the same runner")
                    registry.recover()
                    let build = try await running.finished()
                    try #require(build.status == 0, "\(build.story)")
                    #expect(build.attempts.map { $0["registry_retries"] } == [1])
                    #expect(front.runners.count == 2 && registry.spoiledCount > 0)
                }
            }
        }

        @Test(
            "row 61: a registry that never recovers, and one that does not want these credentials",
            arguments: [(429, 3), (401, 0), (403, 0), (404, 0)])
        func thePushFails(_ status: Int, retries: Int) async throws {
            try await withRealScene { scene, front in
                try await withFront(of: scene.registry) { registry in
                    registry.spoil(["POST", "HEAD", "PUT"], scene.workspace, .answer(status))
                    let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                    let build = try await scene.build(
                        scene.flags(context, behind: registry), environment: ["ORCHESTRATOR_URL": front.url])
                    #expect(build.status == 1 && build.errorCode == "push_failed", "\(build.story)")
                    #expect(build.attempts.map { $0["registry_retries"] } == [.integer(retries)], "\(build.errorText)")
                    #expect(build.message.contains("also when tried 3 more times") == (retries > 0))
                    #expect(front.runners.count == 1)
                }
            }
        }
    }
}
