import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// The two layers of the registry cache, as the second build sees them: on another runner, with nothing but the
    /// registry in common.
    @Suite struct CacheTests {
        @Test func aSecondBuildReadsTheFirstOnesCache() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo made > /made\n")
                let cold = try await scene.build(context: context)
                try #require(cold.status == 0, "\(cold.story)")
                #expect(cold.cachedSteps == 0)

                let warm = try await scene.build(context: context)
                try #require(warm.status == 0, "\(warm.story)")
                #expect(warm.runnerID != cold.runnerID)
                #expect(warm.artifact["steps"]?["total"] == cold.artifact["steps"]?["total"])
                #expect(warm.cachedSteps ?? 0 > 0)
                #expect(warm.errorText.contains("CACHED"))

                let fresh = try await scene.build(context: context, ["--no-cache"])
                try #require(fresh.status == 0, "\(fresh.story)")
                #expect(fresh.cachedSteps == 0)
                #expect(!fresh.errorText.contains("CACHED"))
            }
        }

        /// The image is what was asked for.
        @Test func aCacheThatCannotBeWrittenIsAWarning() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let nowhere = "127.0.0.1:\(try refusingPort())/acme/ci/\(scene.workspace)/app:cache"
                let build = try await scene.build(context: context, ["--cache-to", nowhere])
                #expect(build.status == 0 && build.warningCodes.contains("cache_not_written"), "\(build.story)")
                #expect(build.digest == (try await scene.registry.digest(of: "\(scene.workspace)/app", tag: "1")))
            }
        }

        @Test func aSessionReadsCIAndWritesOnlyItsOwn() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo made > /made\n")
                let own = "\(scene.workspace)/"
                func repositories() async throws -> [String] {
                    try await scene.registry.repositories().filter { $0.hasPrefix(own) }.map {
                        String($0.dropFirst(own.count))
                    }
                }
                let ci = try await scene.build(context: context)
                try #require(ci.status == 0, "\(ci.story)")
                #expect(ci["mode"] == "ci" && ci["actor"] == .null)
                #expect(try await repositories() == ["app", "ci/\(scene.workspace)/app"])
                let layer = "\(own)ci/\(scene.workspace)/app"
                let before = try await scene.registry.digest(of: layer, tag: "cache")

                let session = try await scene.build(
                    context: context, image: "mine",
                    ["--actor", "ada", "--cache-from", "\(scene.registry.host)/\(layer):cache"])
                try #require(session.status == 0, "\(session.story)")
                #expect(session["mode"] == "session" && session["actor"] == "ada")
                #expect(session.cachedSteps ?? 0 > 0)
                #expect(
                    try await repositories() == [
                        "app", "ci/\(scene.workspace)/app", "dev/ada-\(scene.workspace)/mine", "mine",
                    ])
                #expect(try await scene.registry.digest(of: layer, tag: "cache") == before)

                // What the session left is not CI's to read.
                let dev = "\(scene.registry.host)/\(own)dev/ada-\(scene.workspace)/mine:cache"
                let refused = try await scene.build(context: context, ["--cache-from", dev])
                #expect(refused.status == 2 && refused.errorCode == "cache_forbidden", "\(refused.story)")
                #expect(refused["runner"] == .null)
            }
        }
    }
}
