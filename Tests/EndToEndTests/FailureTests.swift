import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// Builds that fail, each in its own way.
    @Suite struct FailureTests {
        @Test func aFailingStepIsTold() async throws {
            try await withScene { scene in
                let context = try scene.context(
                    """
                    \(Scene.shell)RUN echo "password is hunter2"; for i in 1 2 3; do echo "last line $i"; done; exit 3
                    """)
                let build = try await scene.build(context: context)
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build["error"]["phase"] == "build")
                for line in ["last line 1", "last line 2", "last line 3"] {
                    #expect(build.logTail.contains(line), "\(build.logTail)")
                }
                #expect(build.attempts.count == 1 && build.attempts[0]["outcome"] == "failed")
                #expect(build.attempts[0]["exit_code"] == 1)
                #expect(build.artifact["status"] == "failed" && build.digest == nil)
                #expect(build.isRunnerDestroyed == true)

                let events = try await scene.events()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "failed"])
                let data = try #require(events.last?.json?["data"])
                #expect(data["code"] == "build_failed" && data["phase"] == "build" && data["status"] == "failed")
                #expect(!events.contains { String(decoding: $0.body, as: UTF8.self).contains("last line") })
            }
        }

        @Test func aPushThatFailsIsTriedAgainAndTold() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let nowhere = "127.0.0.1:\(try refusingPort())"
                let build = try await scene.build([
                    "--workspace", scene.workspace, "--context", context, "--image", "\(nowhere)/acme/app:1",
                ])
                #expect(build.status == 1 && build.errorCode == "push_failed", "\(build.story)")
                #expect(build["error"]["phase"] == "push" && build.hint.contains("\(nowhere)/acme/app:1"))
                #expect(build.errorText.contains("trying again on the same runner"))
                #expect(build.attempts.count == 1)
            }
        }

        /// What Docker's BuildKit cannot do is refused by its name.
        @Test(arguments: [
            (["--build-context", "more=."], "extra contexts"), (["--attest", "sbom"], "attestations"),
            (["--compression", "zstd"], "compression=zstd"),
            (["--platforms", "linux/amd64,linux/arm64"], "several platforms"),
        ])
        func whatTheEngineLacksIsNamed(flags: [String], name: String) async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let build = try await scene.build(context: context, flags)
                #expect(build.status == 2 && build.errorCode == "engine_unsupported", "\(build.story)")
                #expect(build["error"]["message"]?.stringValue?.contains(name) == true)
                #expect(build.isRunnerDestroyed == true)
                #expect(try await scene.registry.digest(of: "\(scene.workspace)/app", tag: "1") == nil)
            }
        }
    }
}
