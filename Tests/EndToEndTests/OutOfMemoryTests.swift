import LianModel
import LianTestSupport
import Testing

extension Scene {
    /// Directives for a step that holds all of 800 MB at once.
    func greedyDirectives(tiers: [JSONValue]) throws -> String {
        _ = try context(
            Self.shell + "RUN busybox dd if=/dev/zero of=/dev/null bs=800M count=1 && echo survived\n")
        return try directives([
            "schema_version": "1", "workspace": .string(workspace),
            "artifacts": [["name": "app", "context": "context", "image": .string(image())]],
            "compute": ["provider": "local", "tiers": .array(tiers)],
            "registry": ["provider": "generic", "endpoint": .string(registry.host)],
            "runner": ["cpu": 1, "memory_gb": 0.5],
        ])
    }
}

extension EndToEnd {
    /// A step that needs more memory than its runner has, killed by the kernel.
    @Suite struct OutOfMemoryTests {
        @Test func theNextTierSurvives() async throws {
            try await withScene { scene in
                let file = try scene.greedyDirectives(
                    tiers: [
                        ["name": "small", "cpu": 2, "memory_gb": 0.5], ["name": "large", "cpu": 2, "memory_gb": 1.5],
                    ])
                let build = try await scene.build(["--directives", file])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.errorText.contains(" survived\n"))
                #expect(build.attempts.map { $0["outcome"] } == ["oom", "succeeded"])
                #expect(build.attempts.map { $0["tier"] } == ["small", "large"])
                #expect(build.attempts[0]["exit_code"] == 1 && build.attempts[1]["exit_code"] == 0)
                #expect(build.attempts[0]["oom"]?["kernel_oom_kills"]?.intValue ?? 0 > 0)
                #expect(build["sizing"]["tier"] == "large" && build["sizing"]["memory_gb"] == 1.5)
                #expect(build["runner"]["tier"] == "large" && build.isRunnerDestroyed == true)
                #expect(build.artifact["status"] == "succeeded" && build.digest != nil)

                let events = try await scene.events()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "started", "completed"])
                #expect(events.map { $0.json?["data"]?["attempt"] } == [1, 2, 2])
                #expect(events.prefix(2).map { $0.json?["data"]?["tier"] } == ["small", "large"])
            }
        }

        @Test func atTheTopThereIsNoMore() async throws {
            try await withScene { scene in
                let file = try scene.greedyDirectives(tiers: [["name": "only", "cpu": 2, "memory_gb": 0.5]])
                let build = try await scene.build(["--directives", file])
                #expect(build.status == 5 && build.errorCode == "out_of_memory", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["oom"])
                #expect(build["error"]["message"]?.stringValue?.contains("no larger tier") == true)
                #expect(try await scene.events().last?.json?["data"]?["code"] == "out_of_memory")
            }
        }
    }
}
