import Foundation
import LianModel
import LianTestSupport
import Testing

/// Several platforms with a runner each, for any engine; this machine runs programs of both.
struct PlatformCases {
    static let both = ["--platforms", "linux/amd64,linux/386"]
    /// What a step sees of its platform stands in the image.
    static let dockerfile = Scene.shell + "ARG TARGETARCH\nRUN echo \"for $TARGETARCH\" >/made\n"

    func oneIndex(_ more: [String] = [], _ check: (RegistryIndex) -> Void) async throws {
        try await withScene { scene in
            let context = try scene.context(Self.dockerfile)
            let metadata = scene.folder.appending(path: "metadata.json")
            let id = scene.folder.appending(path: "id")
            let other = "\(scene.registry.host)/\(scene.workspace)/other:2"
            let build = try await scene.build(
                context: context,
                Self.both + ["--tag", other, "--metadata-file", metadata.path, "--iidfile", id.path] + more)
            try #require(build.status == 0, "\(build.story)")
            let digest = try #require(build.digest)
            #expect(build.artifact["pushed"] == true && build.artifact["status"] == "succeeded")
            #expect(build.artifact["platforms"] == ["linux/amd64", "linux/386"])
            expectARunnerForEach(build)
            for (name, tag) in [("app", "1"), ("other", "2")] {
                let repository = "\(scene.workspace)/\(name)"
                #expect(try await scene.registry.digest(of: repository, tag: tag) == digest)
                let index = try await RegistryIndex(of: scene.registry, repository, digest)
                #expect(index.platforms == ["linux/amd64", "linux/386"])
                check(index)
            }
            let told = try JSONValue.parse(Array(Data(contentsOf: metadata)))
            #expect(told["containerimage.digest"]?.stringValue == digest)
            #expect(told["image.name"]?.stringValue == "\(scene.image()),\(other)")
            #expect(try String(contentsOf: id, encoding: .utf8) == digest)
            let events = try await scene.events()
            #expect(
                events.map { $0.subject.split(separator: ".").last } == ["started", "started", "completed"])
            #expect(
                Set(events.compactMap { $0.json?["data"]?["platform"]?.stringValue }) == ["linux/amd64", "linux/386"])
            #expect(events.last?.json?["data"]?["artifacts"]?[0]?["digest"]?.stringValue == digest)

            // Each runner finds what it wrote.
            let again = try await scene.build(context: context, Self.both + more)
            try #require(again.status == 0, "\(again.story)")
            #expect((again.cachedSteps ?? 0) > 0, "\(again.story)")
        }
    }

    private func expectARunnerForEach(_ build: FinishedBuild) {
        #expect(build["runner"] == .null)
        let runners = build["runners"].arrayValue ?? []
        #expect(runners.count == 2 && runners.allSatisfy { $0["destroyed"] == true }, "\(build["runners"])")
        #expect(Set(runners.compactMap { $0["id"]?.stringValue }).count == 2)
        #expect(build.attempts.map { $0["platform"] } == ["linux/amd64", "linux/386"])
        #expect(build.attempts.map { $0["outcome"] } == ["succeeded", "succeeded"])
        #expect(build.attempts.map { $0["n"] } == [1, 1])
    }
}

extension EndToEnd {
    @Suite struct PlatformTests {
        @Test func oneIndexFromARunnerForEach() async throws {
            try await PlatformCases().oneIndex { index in
                #expect(index.mediaType == "application/vnd.docker.distribution.manifest.list.v2+json")
            }
        }

        @Test func onlyThosePlatformsThatAreServed() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let foreign = ["--platforms", "linux/amd64,linux/arm64"]
                let emulated = try await scene.build(context: context, foreign)
                // By one runner for both, which Docker's engine cannot.
                #expect(emulated.errorCode == "engine_unsupported" && emulated.warningCodes == ["emulated"])
                #expect(emulated.attempts.count == 1 && emulated["runners"] == .null)
                let refused = try await scene.build(context: context, foreign + ["--emulate", "never"])
                #expect(refused.status == 2 && refused.errorCode == "engine_unsupported", "\(refused.story)")
                #expect(refused.message.hasPrefix("app: no runner builds natively for linux/arm64:"))
                #expect(refused["runner"] == .null && refused.attempts.isEmpty)
            }
        }

        @Test func thePlanHasAPartForEach() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let build = try await scene.build(context: context, PlatformCases.both + ["--dry-run"])
                try #require(build.status == 0, "\(build.story)")
                let parts = build["plan"]["artifacts"]?.arrayValue ?? []
                #expect(parts.map { $0["platform"] } == ["linux/amd64", "linux/386"])
                #expect(
                    parts.allSatisfy { part in
                        part["buildctl"]?.arrayValue?.contains {
                            $0.stringValue?.hasSuffix(",push=true,push-by-digest=true,name-canonical=true") == true
                        } == true
                    }, "\(build["plan"])")
            }
        }

        @Test func nothingIsPushedWhereNothingIsToBe() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let build = try await scene.build(context: context, PlatformCases.both + ["--no-push"])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.artifact["pushed"] == false && build.artifact["status"] == "succeeded")
                #expect(try await scene.registry.repositories().allSatisfy { $0 != "\(scene.workspace)/app" })
            }
        }
    }
}
