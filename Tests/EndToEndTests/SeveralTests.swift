import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// Several builds, several images, many files.
    @Suite struct SeveralTests {
        @Test func twoBuildsAtOnceShareNothing() async throws {
            try await withScene { first in
                try await withScene { second in
                    let gate = try StepGate()
                    func flags(_ scene: Scene, _ note: String) throws -> [String] {
                        let context = try scene.context(
                            Scene.shell + "COPY note /note\nRUN busybox cat /note; echo; \(gate.waiting)\n",
                            files: ["note": note])
                        return scene.flags(context)
                    }
                    let builds = [
                        try first.start(try flags(first, "of the first")),
                        try second.start(try flags(second, "of the second")),
                    ]
                    // Both are at it at the same time.
                    try await builds[0].says(" of the first")
                    try await builds[1].says(" of the second")
                    gate.open()
                    let one = try await builds[0].finished()
                    let other = try await builds[1].finished()
                    try #require(one.status == 0 && other.status == 0, "\(one.story)\(other.story)")
                    #expect(one.runnerID != other.runnerID && one.digest != other.digest)
                    #expect(!one.errorText.contains("of the second") && !other.errorText.contains("of the first"))
                    for (scene, build) in [(first, one), (second, other)] {
                        #expect(
                            build.digest == (try await scene.registry.digest(of: "\(scene.workspace)/app", tag: "1")))
                        #expect(
                            try await scene.events().allSatisfy { $0.json?["data"]?["build_id"] == build["build_id"] })
                    }
                }
            }
        }

        @Test func fiftyThousandFilesArriveWhole() async throws {
            try await withScene { scene in
                try await withTemporaryFolder(inMemory: true) { memory in
                    let context = try scene.context(Scene.shell + "RUN echo there; busybox sleep 600\n", in: memory)
                    try makeFiles(50_000, in: context)
                    let running = try scene.start(scene.flags(context))
                    try await running.says(" there\n")
                    let runner = try #require(try await scene.orchestrator.runners().first)
                    let work = "\(scene.orchestrator.runnersFolder)/\(runner)/work"
                    let folders = try FileManager.default.contentsOfDirectory(atPath: work).map { "\(work)/\($0)" }
                    let arrived = try #require(
                        folders.first { FileManager.default.fileExists(atPath: "\($0)/Dockerfile") })
                    let difference = try await runTool("/usr/bin/diff", ["-r", context, arrived])
                    #expect(difference == "")
                    running.signal(SIGINT)
                    let build = try await running.finished()
                    #expect(build["context"]["files"] == 50_002, "\(build.story)")
                }
            }
        }

        private func makeFiles(_ count: Int, in context: String) throws {
            for number in 0..<count {
                let folder = "\(context)/d\(number / 500)"
                if number % 500 == 0 { try #require(mkdir(folder, 0o755) == 0) }
                let file = open("\(folder)/file-\(number)", O_WRONLY | O_CREAT | O_EXCL, 0o644)
                try #require(file >= 0)
                let text = Array("the file \(number)\n".utf8)
                #expect(write(file, text, text.count) == text.count)
                close(file)
            }
        }
    }

    /// The example of several images: four, one of them on top of two others.
    @Suite struct MonorepoTests {
        /// The example with this registry in the place of its own; returns its directives.
        private func copyExample(_ scene: Scene) throws -> URL {
            for folder in ["examples", "defaults", "schemas"] {
                try FileManager.default.copyItem(
                    at: Project.root.appending(path: folder), to: scene.folder.appending(path: folder))
            }
            let examples = scene.folder.appending(path: "examples")
            let directives = examples.appending(path: "monorepo.ncl")
            let dockerfiles = ["base", "api", "web", "bundle"].map {
                examples.appending(path: "contexts/monorepo/\($0)/Dockerfile")
            }
            for file in [directives] + dockerfiles {
                let text = try String(contentsOf: file, encoding: .utf8)
                    .replacing("localhost:5000", with: scene.registry.host)
                    .replacing("/acme/", with: "/\(scene.workspace)/")
                    .replacing("\"acme\"", with: "\"\(scene.workspace)\"")
                try text.write(to: file, atomically: true, encoding: .utf8)
            }
            return directives
        }

        private func statuses(_ build: FinishedBuild) -> [String: String] {
            Dictionary(
                uniqueKeysWithValues: build.artifacts.map { ($0["name", or: "?"], $0["status", or: "none"]) })
        }

        @Test func eachImageStartsFromTheOnesBefore() async throws {
            try await withScene { scene in
                let directives = try copyExample(scene)
                let build = try await scene.build(["--directives", directives.path])
                try #require(build.status == 0, "\(build.story)")
                #expect(
                    statuses(build) == [
                        "base": "succeeded", "api": "succeeded", "web": "succeeded", "bundle": "succeeded",
                    ])
                for artifact in build.artifacts {
                    let name = artifact["name", or: "?"]
                    let digest = try await scene.registry.digest(of: "\(scene.workspace)/\(name)", tag: "1")
                    #expect(digest != nil && digest == artifact["digest"]?.stringValue, "\(name)")
                }
                #expect(build.attempts.count == 1)
                let bundle = try await scene.registry.configuration(of: "\(scene.workspace)/bundle", tag: "1")
                // base's layer, api's, and what came from web.
                #expect(bundle["rootfs"]?["diff_ids"]?.arrayValue?.count == 3)
                let completed = try #require(try await scene.events().last?.json?["data"])
                #expect(completed["artifacts"]?.arrayValue?.count == 4)
            }
        }

        @Test func whatDependsOnAFailedOneIsSkipped() async throws {
            try await withScene { scene in
                let directives = try copyExample(scene)
                let api = scene.folder.appending(path: "examples/contexts/monorepo/api/Dockerfile")
                let text = try String(contentsOf: api, encoding: .utf8)
                try (text + "COPY no-such-file /\n").write(to: api, atomically: true, encoding: .utf8)
                let build = try await scene.build(["--directives", directives.path])
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(
                    statuses(build) == [
                        "base": "succeeded", "api": "failed", "web": "succeeded", "bundle": "skipped",
                    ])
                #expect(build["error"]["message"]?.stringValue?.hasPrefix("api: ") == true)
                #expect(try await scene.registry.digest(of: "\(scene.workspace)/web", tag: "1") != nil)
                #expect(try await scene.registry.digest(of: "\(scene.workspace)/bundle", tag: "1") == nil)
            }
        }
    }
}
