import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Rows 24 to 26 on a real engine: a step that needs more memory than its runner has, killed by the kernel.
    @Suite(.realEngine) struct TrueMemoryTests {
        /// Holds all of 800 MB at once.
        private static let greedyStep = "busybox dd if=/dev/zero of=/dev/null bs=800M count=1 && echo survived"

        private func build(
            _ scene: BuildScene, _ front: OrchestratorFront, tiers: [(name: String, memoryGB: Double)]
        ) async throws -> FinishedBuild {
            _ = try scene.context(BuildScene.shell + "RUN \(Self.greedyStep)\n")
            return try await scene.build(
                ["--directives", try scene.directives(tiers: tiers)], environment: ["ORCHESTRATOR_URL": front.url])
        }

        private func expectFirstIsGoneBeforeSecond(_ front: OrchestratorFront) {
            let spawns = front.requests(.spawn).map(\.time)
            let destroys = front.requests(.destroy).map(\.time)
            #expect(spawns.count == 2 && destroys.count == 2)
            if spawns.count == 2, let first = destroys.first { #expect(first < spawns[1]) }
        }

        @Test("row 25: true out of memory, and the next tier survives") func theNextTierSurvives() async throws {
            try await withRealScene { scene, front in
                let build = try await build(scene, front, tiers: [("small", 0.5), ("large", 1.5)])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.errorText.contains(" survived\n"))
                #expect(build.attempts.map { $0["outcome"] } == ["oom", "succeeded"])
                #expect(build.attempts.map { $0["tier"] } == ["small", "large"])
                #expect(build.attempts[0]["exit_code"] == 1 && build.attempts[1]["exit_code"] == 0)
                #expect(build.attempts[0]["oom"]?["kernel_oom_kills"]?.intValue ?? 0 > 0)
                #expect(build["sizing"]["tier"] == "large" && build["sizing"]["memory_gb"] == 1.5)
                #expect(build["runner"]["tier"] == "large" && build.isRunnerDestroyed == true)
                #expect(build.artifact["status"] == "succeeded")
                #expect(build.digest != nil)
                #expect(build.digest == (try await scene.pushedDigest()))
                #expect(front.runners.count == 2)
                expectFirstIsGoneBeforeSecond(front)

                let events = try await scene.events()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "started", "completed"])
                #expect(events.map { $0.json?["data"]?["attempt"] } == [1, 2, 2])
                #expect(events.prefix(2).map { $0.json?["data"]?["tier"] } == ["small", "large"])
            }
        }

        @Test("row 26: out of memory again, one tier up") func neverAThirdTime() async throws {
            try await withRealScene { scene, front in
                let build = try await build(scene, front, tiers: [("small", 0.5), ("same", 0.6), ("large", 1.5)])
                #expect(build.status == 5 && build.errorCode == "out_of_memory", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["oom", "oom"])
                #expect(build.attempts.map { $0["tier"] } == ["small", "same"])
                #expect(build.message.contains("again, one tier up"))
                #expect(front.runners.count == 2)
                expectFirstIsGoneBeforeSecond(front)
                let events = try await scene.events()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "started", "failed"])
            }
        }

        @Test("row 26: out of memory at the top tier") func atTheTopThereIsNoMore() async throws {
            try await withRealScene { scene, front in
                let build = try await build(scene, front, tiers: [("only", 0.5)])
                #expect(build.status == 5 && build.errorCode == "out_of_memory", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["oom"])
                #expect(build.message.contains("no larger tier"))
                #expect(front.runners.count == 1)
                #expect(try await scene.events().last?.json?["data"]?["code"] == "out_of_memory")
            }
        }

        @Test("row 24: a real step prints what an end by memory looks like") func printedSigns() async throws {
            try await withRealScene { scene, front in
                let running = try scene.start(
                    front,
                    step: "echo Killed; echo OOM; echo 'ResourceExhausted: cannot allocate memory'; "
                        + "echo 'error: failed to solve: exit code: 137'; echo 'code = Unavailable' >&2; exit 1")
                let build = try await running.finished()
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["failed"])
                #expect(front.runners.count == 1)
            }
        }
    }
}
