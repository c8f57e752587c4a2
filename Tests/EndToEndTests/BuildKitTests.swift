import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

private enum BuildKit {
    static let isInstalled = ["buildctl", "buildkitd", "runc"].allSatisfy {
        findExecutable($0, path: "\(ProcessInfo.processInfo.environment["PATH"] ?? ""):/usr/sbin:/sbin") != nil
    }
}

/// What Docker's BuildKit cannot do, for real: with a buildkitd for each runner. These run where BuildKit is installed.
@Suite(
    .serialized, .staged(engine: "buildkit"), .needsRoot,
    .enabled(
        if: BuildKit.isInstalled,
        "buildctl, buildkitd and runc are not all on PATH: PATH=FOLDER:$PATH scripts/test BuildKitTests, with them in FOLDER"
    ),
    .needsNATSServer)
struct BuildKitTests {
    /// Its manifest, where the build went well.
    private func built(
        _ scene: Scene, _ context: String, _ flags: [String] = [], image name: String = "app"
    ) async throws -> JSONValue {
        let build = try await scene.build(context: context, image: name, flags)
        try #require(build.status == 0, "\(build.story)")
        let repository = "\(scene.workspace)/\(name)"
        let digest = try await scene.registry.digest(of: repository, tag: "1")
        #expect(digest != nil && digest == build.digest)
        return try await scene.registry.manifest(of: repository, tag: "1")
    }

    @Test func extraContexts() async throws {
        try await withScene { scene in
            let base = try scene.context(
                "FROM scratch\nCOPY note /base\n", files: ["note": "of the base"], named: "base")
            _ = try await built(scene, base, image: "base")
            let more = try scene.context("", files: ["note": "of the folder"], named: "more")
            let context = try scene.context("FROM base\nCOPY --from=more note /more\n")
            let manifest = try await built(
                scene, context,
                ["--build-context", "more=\(more)", "--build-context", "base=docker-image://\(scene.image("base"))"])
            #expect(manifest["layers"]?.arrayValue?.count == 2)
        }
    }

    @Test(arguments: ["provenance", "provenance=mode=max"])
    func attestation(of kind: String) async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
            let index = try await built(scene, context, ["--attest", kind])
            let kinds = index["manifests"]?.arrayValue?.map { $0["annotations"]?["vnd.docker.reference.type"] ?? .null }
            #expect(kinds == [.null, "attestation-manifest"])
        }
    }

    @Test(arguments: ["zstd", "gzip"])
    func compression(of layers: String) async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY busybox /\n")
            let manifest = try await built(scene, context, ["--compression", layers])
            let types = manifest["layers"]?.arrayValue?.compactMap { $0["mediaType"]?.stringValue } ?? []
            #expect(types.count == 1 && types.allSatisfy { $0.hasSuffix(layers) }, "\(types)")
        }
    }

    @Test func severalPlatforms() async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
            let index = try await built(scene, context, ["--platforms", "linux/amd64,linux/arm64"])
            let platforms = index["manifests"]?.arrayValue?.compactMap { $0["platform"]?["architecture"]?.stringValue }
            #expect(platforms == ["amd64", "arm64"])
        }
    }

    /// The steps of every stage are in the cache, not only those of the last.
    @Test func theCacheHoldsAllStages() async throws {
        try await withScene { scene in
            let dockerfile = """
                \(Scene.shell)RUN echo made > /made
                FROM scratch
                COPY --from=0 /made /made
                COPY note /note
                """
            let cold = try await scene.build(context: scene.context(dockerfile, files: ["note": "one"], named: "one"))
            try #require(cold.status == 0, "\(cold.story)")
            #expect(cold.cachedSteps == 0 && !cold.warningCodes.contains("cache_last_stage_only"))
            let warm = try await scene.build(context: scene.context(dockerfile, files: ["note": "two"], named: "two"))
            try #require(warm.status == 0, "\(warm.story)")
            // Those of the first stage; and of the second all but the note, unless the engine calls done what it had to
            // load (0.11).
            #expect(warm.artifact["steps"]?["total"] == 4)
            #expect([2, 3].contains(warm.cachedSteps), "\(warm.story)")
        }
    }

    @Test func theCallersDockerConfigIsUsed() async throws {
        try await CredentialCases().theCallersDockerConfigIsUsed()
    }

    @Test func directivesNameTheirOwn() async throws {
        try await CredentialCases().directivesNameTheirOwn()
    }

    @Test func theBaseComesBesideTheContext() async throws { try await WarmUpCases().theBaseComesBesideTheContext() }
    @Test func theCallersLoginIsUsedForTheBase() async throws { try await WarmUpCases().theCallersLoginIsUsed() }
    @Test func theConnectionToTheCacheIsOpen() async throws { try await WarmUpCases().theConnectionToTheCacheIsOpen() }
    @Test func aTagThatMovesMeanwhileIsFollowed() async throws {
        try await WarmUpCases().aTagThatMovesMeanwhileIsFollowed()
    }
    @Test func aMissingImageIsTheBuildsToTell() async throws {
        try await WarmUpCases().aMissingImageIsTheBuildsToTell()
    }
    @Test func aRegistryThatHangsHoldsNobody() async throws { try await WarmUpCases().aRegistryThatHangsHoldsNobody() }

    /// Whatever form the engine's progress has, a person reads the same.
    @Test func theLogIsReadAndWhole() async throws {
        try await withScene { scene in
            let lines = 3000
            let context = try scene.context(
                Scene.shell
                    + "RUN busybox seq -w \(lines) | busybox sed 's/.*/line & of many/'\nRUN echo last words; exit 3\n")
            let build = try await scene.build(context: context)
            #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.errorText.suffix(2000))")
            #expect(build.logTail.contains("last words"))
            #expect(build["error"]["message"]?.stringValue?.hasSuffix("(Dockerfile:5)") == true)
            #expect(build.artifact["steps"]?["total"] == 3)
            let seen = build.errorText.split(separator: "\n").filter { $0.hasSuffix(" of many") && $0.hasPrefix("#") }
            #expect(seen.count == lines)
            #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.suffix(12) < $1.suffix(12) })
        }
    }

    @Test func outOfMemoryIsTold() async throws {
        try await withScene { scene in
            _ = try scene.context(
                Scene.shell + "RUN busybox dd if=/dev/zero of=/dev/null bs=800M count=1 && echo survived\n")
            let file = try scene.directives(tiers: [("small", 0.5), ("large", 1.5)])
            let build = try await scene.build(["--directives", file])
            try #require(build.status == 0, "\(build.story)")
            #expect(build.attempts.map { $0["outcome"] } == ["oom", "succeeded"])
            #expect(build.attempts[0]["oom"]?["kernel_oom_kills"]?.intValue ?? 0 > 0)
        }
    }
}
