import Foundation
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// One image, from the flags to the registry.
    @Suite struct OneImageTests {
        @Test func anImageIsBuiltAndTold() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY note /note\n", files: ["note": "hello"])
                let build = try await scene.build(context: context)
                try #require(build.status == 0, "\(build.story)")
                #expect(build["status"] == "succeeded" && build["error"] == .null)
                #expect(build["workspace"].stringValue == scene.workspace && build["mode"] == "ci")
                #expect(build.digest == (try await scene.registry.digest(of: "\(scene.workspace)/app", tag: "1")))
                #expect(build.digest != nil && build.artifact["status"] == "succeeded")
                #expect(build["context"]["files"] == 3)
                #expect(build["context"]["sent_bytes"]?.intValue ?? 0 > 0)
                #expect(build.attempts.count == 1 && build.attempts[0]["outcome"] == "succeeded")
                #expect(build.attempts[0]["exit_code"] == 0 && build.attempts[0]["oom"]?.stringValue == nil)
                #expect(build.isRunnerDestroyed == true)
                #expect(build["events"]["published"] == 2 && build["events"]["failed"] == 0)
                for stage in ["resolve", "spawn", "ready", "sync", "build", "teardown", "total"] {
                    #expect(build["timings_ms"][stage]?.intValue != nil, "\(stage)")
                }
                #expect(build.errorText.contains("COPY note /note"))

                let events = try await scene.events()
                #expect(
                    events.map(\.subject)
                        == ["started", "completed"].map { "lian.\(scene.workspace).build.\($0)" })
                let completed = try #require(events.last?.json)
                #expect(completed["type"] == "dev.lian.build.completed" && completed["id"]?.stringValue != nil)
                #expect(completed["id"]?.stringValue == events.last?.headers["Nats-Msg-Id"])
                #expect(completed["data"]?["build_id"] == build["build_id"] && completed["data"]?["attempt"] == 1)
                #expect(completed["data"]?["artifacts"]?[0]?["digest"]?.stringValue == build.digest)
                #expect(completed["data"]?["steps"] == build.artifact["steps"])
                #expect(completed["data"]?["sizing"] == build["sizing"])
                for stage in ["resolve", "spawn", "ready", "sync", "build"] {
                    #expect(completed["data"]?["timings_ms"]?[stage] == build["timings_ms"][stage], "\(stage)")
                }
                let started = try #require(events.first?.json?["data"])
                #expect(started["sizing"] == build["sizing"] && started["cache"] == build["cache"])
                #expect(started["tier"] == build["sizing"]["tier"] && started["artifacts"] == ["app"])
                // It took no second, and has its peak all the same.
                #expect(build["usage"]["cpu_peak"]?.doubleValue ?? 0 > 0, "\(build["usage"])")
            }
        }

        @Test func flagsReachTheEngine() async throws {
            try await withScene { scene in
                let dockerfile = """
                    \(Scene.shell)ARG GREETING=none
                    RUN echo "greeting: $GREETING"; echo made > /made
                    FROM scratch AS slim
                    COPY --from=0 /made /made
                    FROM scratch AS never
                    COPY no-such-file /
                    """
                let context = try scene.context(dockerfile)
                let metadata = scene.folder.appending(path: "metadata.json")
                let tag = "\(scene.registry.host)/\(scene.workspace)/other:latest"
                let second = "\(scene.registry.host)/\(scene.workspace)/app:2"
                let build = try await scene.build(
                    context: context,
                    [
                        "--tag", tag, "--tag=\(second)", "--target", "slim", "--build-arg", "GREETING=hi, $there",
                        "--label", "team=build & ship", "--metadata-file", metadata.path, "--cpu", "1", "--memory-gb",
                        "1",
                    ])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.errorText.contains(" greeting: hi, $there\n"))
                #expect(build.artifact["tags"] == [.string(tag), .string(second)])
                for (repository, tag) in [("app", "1"), ("app", "2"), ("other", "latest")] {
                    let digest = try await scene.registry.digest(of: "\(scene.workspace)/\(repository)", tag: tag)
                    #expect(digest == build.digest, "\(repository):\(tag)")
                }
                let image = try await scene.registry.configuration(of: "\(scene.workspace)/app", tag: "1")
                #expect(image["config"]?["Labels"]?["team"] == "build & ship")
                let written = try JSONValue.parse(Array(Data(contentsOf: metadata)))
                #expect(written["containerimage.digest"]?.stringValue == build.digest)
                #expect(build["sizing"]["source"] == "explicit" && build["sizing"]["tier"] == "cx22")
            }
        }

        /// stderr holds the whole log, in order. More than 100 KiB a second of one step BuildKit clips by itself.
        @Test func theLogIsWhole() async throws {
            try await withScene { scene in
                let lines = 3000
                let context = try scene.context(
                    Scene.shell + "RUN busybox seq -w \(lines) | busybox sed 's/.*/line & of many/'\n")
                let build = try await scene.build(context: context)
                try #require(build.status == 0, "\(build.errorText.suffix(2000))")
                let seen = build.errorText.split(separator: "\n").filter {
                    $0.hasSuffix(" of many") && $0.hasPrefix("#")
                }
                #expect(seen.count == lines)
                #expect(seen.first?.hasSuffix("line 0001 of many") == true)
                let inOrder = zip(seen, seen.dropFirst()).allSatisfy { $0.suffix(12) < $1.suffix(12) }
                #expect(inOrder)
            }
        }
    }
}
