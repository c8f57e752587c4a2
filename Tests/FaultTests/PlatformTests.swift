import Glibc
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 63: a runner for each of two platforms, and one index of both or none.
    @Suite(.realEngine) struct PlatformTests {
        private static let both = ["--platforms", "linux/amd64,linux/386"]

        /// A build whose step runs `foreign` for linux/386, and waits for ever for linux/amd64.
        private func start(_ scene: BuildScene, _ front: OrchestratorFront, foreign: String) throws -> RunningBuild {
            let context = try scene.context(
                BuildScene.shell
                    + "ARG TARGETARCH\nRUN echo begun $TARGETARCH; [ $TARGETARCH = amd64 ] && busybox sleep 600; \(foreign)\n"
            )
            return try scene.start(
                scene.flags(context) + Self.both, environment: ["ORCHESTRATOR_URL": front.url])
        }

        private func expectNothingPushed(_ scene: BuildScene, _ build: FinishedBuild) async throws {
            #expect(build.digest == nil && build.artifact["pushed"] != true)
            #expect(try await scene.pushedDigest() == nil)
            let runners = build["runners"].arrayValue ?? []
            #expect(runners.count == 2 && runners.allSatisfy { $0["destroyed"] == true }, "\(build["runners"])")
            #expect(try await scene.orchestrator.runners().isEmpty)
        }

        /// The other one's step would take ten minutes.
        @Test("row 63: one of two platforms fails") func oneFails() async throws {
            try await withRealScene { scene, front in
                let build = try await start(scene, front, foreign: "exit 3").finished()
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build.message.hasPrefix("linux/386: app: the step"), "\(build.message)")
                #expect(build.attempts.map { $0["platform"] } == ["linux/amd64", "linux/386"])
                #expect(build.attempts.map { $0["outcome"] } == ["cancelled", "failed"])
                #expect(build.artifact["status"] == "failed")
                try await expectNothingPushed(scene, build)
                let events = try await scene.events()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "started", "failed"])
            }
        }

        @Test("row 63: the runner of one of two platforms dies") func oneDies() async throws {
            try await withRealScene(waiting: true) { scene, front in
                let running = try start(scene, front, foreign: "busybox sleep 600")
                try await running.says(" begun amd64\n")
                try await running.says(" begun 386\n")
                let victim = try #require(front.runners.first?.id)
                _ = try await scene.orchestrator.destroy(victim)
                let build = try await running.finished()
                #expect([3, 4].contains(build.status), "\(build.story)")
                #expect(build.message.hasPrefix("linux/"), "\(build.message)")
                #expect(Set(build.attempts.map { $0["outcome"]?.stringValue }) == ["cancelled", "failed"])
                try await expectNothingPushed(scene, build)
            }
        }

        @Test("row 63: the index cannot be pushed", arguments: [403, 503]) func noIndex(_ status: Int) async throws {
            try await withRealScene(waiting: status == 503) { scene, front in
                try await withFront(of: scene.registry) { registry in
                    // Docker's engine pushes each image under a tag, so this is the index.
                    registry.spoil(["PUT"], "/app/manifests/sha256:", .answer(status))
                    let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                    let build = try await scene.build(
                        scene.flags(context, behind: registry) + Self.both, environment: ["ORCHESTRATOR_URL": front.url]
                    )
                    #expect(build.status == 1 && build.errorCode == "push_failed", "\(build.story)")
                    #expect(build.phase == "push" && build.artifact["status"] == "failed")
                    #expect(build.message.contains("answered \(status)"), "\(build.message)")
                    #expect(build.message.contains("also when tried 3 more times") == (status == 503))
                    #expect(registry.spoiledCount == (status == 503 ? 4 : 1))
                    try await expectNothingPushed(scene, build)
                }
            }
        }

        @Test("row 63: the index meets a registry's bad minute, and then a good one") func badMinute() async throws {
            try await withRealScene { scene, front in
                try await withFront(of: scene.registry) { registry in
                    registry.spoil(["PUT"], "/app/manifests/sha256:", .reset)
                    let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                    let running = try scene.start(
                        scene.flags(context, behind: registry) + Self.both, environment: ["ORCHESTRATOR_URL": front.url]
                    )
                    try await running.says("trying again in")
                    registry.recover()
                    let build = try await running.finished()
                    try #require(build.status == 0, "\(build.story)")
                    #expect(build.digest == (try await scene.pushedDigest()) && build.digest != nil)
                }
            }
        }

        /// The one that had enough is not built again.
        @Test("row 63: memory runs out for one of two platforms") func outOfMemory() async throws {
            try await withRealScene { scene, front in
                _ = try scene.context(
                    BuildScene.shell
                        + "ARG TARGETARCH\nRUN [ $TARGETARCH = amd64 ] || busybox dd if=/dev/zero of=/dev/null bs=800M count=1\n"
                )
                let file = try scene.directives(tiers: [("small", 0.5), ("large", 1.5)])
                let build = try await scene.build(
                    ["--directives", file] + Self.both, environment: ["ORCHESTRATOR_URL": front.url])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.attempts.map { $0["platform"] } == ["linux/amd64", "linux/386", "linux/386"])
                #expect(build.attempts.map { $0["outcome"] } == ["succeeded", "oom", "succeeded"])
                #expect(build.attempts.map { $0["n"] } == [1, 1, 2])
                let index = try await RegistryIndex(of: scene.registry, "\(scene.workspace)/app", "1")
                #expect(index.platforms == ["linux/amd64", "linux/386"])
                #expect(front.runners.count == 3)
            }
        }

        @Test("row 63: ended while two platforms are built") func ended() async throws {
            try await withRealScene { scene, front in
                let running = try start(scene, front, foreign: "busybox sleep 600")
                try await running.says(" begun amd64\n")
                try await running.says(" begun 386\n")
                running.signal(SIGINT)
                let build = try await running.finished()
                #expect(build.status == 130 && build["status"] == "cancelled", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["cancelled", "cancelled"])
                #expect(build.artifact["status"] == "cancelled")
                try await expectNothingPushed(scene, build)
            }
        }

        @Test("row 63: ended twice while two platforms are built") func endedTwice() async throws {
            try await withRealScene(waiting: true) { scene, front in
                let running = try start(scene, front, foreign: "busybox sleep 600")
                try await running.says(" begun amd64\n")
                try await running.says(" begun 386\n")
                running.signal(SIGINT)
                running.signal(SIGTERM)
                let build = try await running.finished()
                #expect([130, 143].contains(build.status) && build["status"] == "cancelled", "\(build.story)")
                // Both were asked to be destroyed. An engine that takes longer than whoever leaves in a hurry waits is told
                // as not destroyed yet.
                let runners = build["runners"].arrayValue ?? []
                let isTold = build.warningCodes.contains("runner_not_destroyed")
                #expect(runners.count == 2, "\(build.story)")
                #expect(isTold || runners.allSatisfy { $0["destroyed"] == true }, "\(build.story)")
                #expect(try await eventually { try scene.orchestrator.remains().isEmpty })
                #expect(try await scene.orchestrator.runners().isEmpty)
                #expect(try await scene.pushedDigest() == nil)
            }
        }

        @Test("row 63: the time budget runs out for two platforms") func outOfTime() async throws {
            try await withRealScene(waiting: true) { scene, front in
                let context = try scene.context(BuildScene.shell + "RUN echo begun; busybox sleep 600\n")
                let build = try await scene.build(
                    scene.flags(context) + Self.both + ["--time-budget", "1"],
                    environment: ["ORCHESTRATOR_URL": front.url])
                #expect(build.status == 6 && build.errorCode == "time_budget_exceeded", "\(build.story)")
                #expect(build.message.hasPrefix("linux/"), "\(build.message)")
                #expect(build.attempts.count == 2 && build["status"] == "timed_out", "\(build.story)")
                try await expectNothingPushed(scene, build)
            }
        }

        @Test("row 63: kill -9 while two platforms are built: both runners go with their leases") func killed()
            async throws
        {
            try await withRealScene(waiting: true) { scene, front in
                front.setLease(BuildScene.shortLease, of: scene.workspace)
                let running = try start(scene, front, foreign: "busybox sleep 600")
                try await running.says(" begun amd64\n")
                try await running.says(" begun 386\n")
                running.kill()
                #expect(try await scene.orchestrator.runners().count == 2)
                #expect(
                    await eventually(within: .seconds(300)) {
                        (try? await scene.orchestrator.runners().isEmpty) == true
                    })
                #expect(try await eventually { try scene.orchestrator.remains().isEmpty })
                #expect(try await scene.pushedDigest() == nil)
                try scene.clearAwayAfterKill()
            }
        }
    }
}
