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

    /// The target that another is made from is pushed first.
    @Test func aBakeFile() async throws {
        try await withScene { scene in
            _ = try scene.context("FROM scratch\nCOPY note /base\n", files: ["note": "of the base"], named: "base")
            _ = try scene.context("FROM base\nCOPY note /app\n", files: ["note": "of the image"], named: "app")
            let bake: JSONValue = [
                "group": ["default": ["targets": ["app"]]],
                "target": [
                    "base": ["context": "base"],
                    "app": ["context": "app", "contexts": ["base": "target:base"], "tags": [.string(scene.image())]],
                ],
            ]
            try bake.encoded().write(
                to: scene.folder.appending(path: "bake.json"), atomically: true, encoding: .utf8)
            let directives = scene.folder.appending(path: "ci.ncl")
            try """
            let { from_bake, .. } = import "from_bake.ncl" in
            from_bake {
              workspace = "\(scene.workspace)",
              compute = { provider = 'local },
              registry = { provider = 'generic, endpoint = "\(scene.registry.host)", namespace = "\(scene.workspace)" },
            } (import "bake.json")
            """.write(to: directives, atomically: true, encoding: .utf8)
            let build = try await scene.build(["--directives", directives.path])
            try #require(build.status == 0, "\(build.story)")
            #expect(build.artifacts.map { $0["name"] } == ["base", "app"])
            let manifest = try await scene.registry.manifest(of: "\(scene.workspace)/app", tag: "1")
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

    @Test func annotationsAndTheLevelOfCompression() async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY busybox /\n")
            let flags = ["--compression", "zstd", "--compression-level"]
            let said = "a \"b\", push=false"
            let fast = try await built(scene, context, flags + ["1", "--annotation", "dev.lian.said=\(said)"])
            #expect(fast["annotations"]?["dev.lian.said"]?.stringValue == said)
            let small = try await built(scene, context, flags + ["19"], image: "small")
            let sizes = [fast, small].map { $0["layers"]?[0]?["size"]?.intValue ?? 0 }
            #expect(sizes[0] > sizes[1] && sizes[1] > 0, "\(sizes)")
        }
    }

    @Test func aFolderForTheCaller() async throws { try await OutputCases().aFolder() }

    @Test(arguments: ["tar", "oci", "docker"]) func aFileForTheCaller(of kind: String) async throws {
        try await OutputCases().aFile(of: kind)
    }

    /// An image that is pushed, and files beside it: from BuildKit 0.13 on.
    @Test func severalOutputs() async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY note /\n", files: ["note": "n"])
            let build = try await scene.build(
                context: context, ["--output", "type=image", "--output", "out", "--output", "type=oci,dest=i.tar"])
            guard build.errorCode != "engine_unsupported" else {
                #expect(build.status == 2 && build.message.contains("one output at a time"), "\(build.story)")
                return
            }
            try #require(build.status == 0, "\(build.story)")
            let pushed = try await scene.pushedDigest()
            #expect(pushed != nil && build.digest == pushed)
            #expect(build["outputs"].arrayValue?.map { $0["type"] } == ["local", "oci"])
            #expect(try String(contentsOf: scene.folder.appending(path: "out/note"), encoding: .utf8) == "n")
        }
    }

    @Test func howStepsRun() async throws {
        try await withScene { scene in
            let dockerfile = """
                \(Scene.shell)RUN busybox grep -q '10.0.0.7.*db.test' /etc/hosts
                RUN busybox grep -q '::1.*v6.test' /etc/hosts
                RUN busybox test "$(ulimit -n)" = 77
                RUN busybox df -k /dev/shm | busybox grep -q ' 8192 '
                """
            let context = try scene.context(dockerfile)
            _ = try await built(
                scene, context,
                [
                    "--add-host", "db.test:10.0.0.7", "--add-host", "v6.test=[::1]", "--ulimit", "nofile=77:99",
                    "--shm-size", "8m", "--network", "none", "--pull",
                ])
            _ = try await built(
                scene, context,
                [
                    "--add-host", "db.test:10.0.0.7", "--add-host", "v6.test=[::1]", "--ulimit", "nofile=77:99",
                    "--shm-size", "8m", "--network", "host",
                ], image: "host")
        }
    }

    @Test func oneStageIsRunAnew() async throws {
        try await withScene { scene in
            let dockerfile = """
                \(Scene.shell)RUN echo one > /one
                FROM scratch AS second
                COPY --from=0 /one /one
                COPY note /note
                """
            let context = try scene.context(dockerfile, files: ["note": "n"])
            for (flags, cached) in [([String](), 0), ([], 4), (["--no-cache-filter", "second"], 2)] {
                let build = try await scene.build(context: context, flags)
                try #require(build.status == 0, "\(build.story)")
                #expect(
                    build.cachedSteps == cached || build.cachedSteps == cached - 1, "\(flags): \(build.cachedSteps)")
            }
        }
    }

    @Test func anEntitlementThatTheEngineWasNotGiven() async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
            let build = try await scene.build(context: context, ["--allow", "security.insecure"])
            #expect(build.status == 2 && build.errorCode == "engine_unsupported", "\(build.story)")
            #expect(build["error"]["message"] == "the runner's engine was not given security.insecure")
        }
    }

    @Test func whatIsNotPushedHasItsDigest() async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
            let id = scene.folder.appending(path: "id")
            let build = try await scene.build(context: context, ["--no-push", "--iidfile", id.path])
            try #require(build.status == 0, "\(build.story)")
            #expect(build.digest != nil && build.artifact["pushed"] == false)
            #expect(try await scene.pushedDigest() == nil)
            // The cache is there all the same.
            let again = try await scene.build(context: context, ["--cache-export", "always"])
            try #require(again.status == 0, "\(again.story)")
            #expect(again.digest == build.digest && again.cachedSteps == 1)
            let configuration = try await scene.registry.manifest(of: "\(scene.workspace)/app", tag: "1")["config"]
            #expect(try String(contentsOf: id, encoding: .utf8) == configuration?["digest"]?.stringValue)
        }
    }

    /// There and back: what the first build left in a folder here serves a runner that has nothing.
    @Test func aCacheInAFolderOfTheCallers() async throws {
        try await withScene { scene in
            let context = try scene.context(Scene.shell + "RUN echo made > /made\n")
            let flags = ["--volume", "off", "--cache-from", "type=local,src=caches"]
            let first = try await scene.build(
                context: context, flags + ["--cache-to", "type=local,dest=caches,mode=max"])
            try #require(first.status == 0, "\(first.story)")
            #expect(first.errorText.contains("is left out: there is none in") && first.cachedSteps == 0)
            let folder = "caches/ci/\(scene.workspace)/app"
            #expect(FileManager.default.fileExists(atPath: scene.folder.appending(path: "\(folder)/index.json").path))
            #expect(first["cache"]["to"] == [.string("type=local,dest=\(folder),mode=max")])
            #expect(first.warningCodes == [])
            let second = try await scene.build(context: context, flags)
            try #require(second.status == 0, "\(second.story)")
            #expect(second.cachedSteps ?? 0 > 0, "\(second.errorText)")
        }
    }

    @Test func cachesInTheLongForm() async throws {
        try await withScene { scene in
            let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
            let reference = "\(scene.registry.host)/\(scene.workspace)/long:cache"
            let cold = try await scene.build(
                context: context,
                ["--cache-to", "type=registry,ref=\(reference),mode=max", "--cache-to", "type=inline"])
            try #require(cold.status == 0, "\(cold.story)")
            #expect(cold["cache"]["to"] == [.string(reference), "type=inline"])
            for place in [reference, scene.image()] {
                let warm = try await scene.build(context: context, ["--cache-from", "type=registry,ref=\(place)"])
                try #require(warm.status == 0, "\(warm.story)")
                #expect(warm.cachedSteps == 1, "\(place)")
            }
        }
    }

    @Test func theCallersAgentSigns() async throws { try await AgentCases().theCallersAgentSigns() }
    @Test func aKeySigns() async throws { try await AgentCases().aKeySigns() }
    @Test func aStepWithoutItsAgent() async throws { try await AgentCases().aStepWithoutItsAgent() }

    @Test func aDockerfileOnStdin() async throws { try await StdinCases().aDockerfileOnStdin() }
    @Test func aContextThatTheEngineFetches() async throws { try await FetchedContextCases().anArchive() }

    /// A bare repository of one commit with a file `note` and, as `sub.Dockerfile`, what copies it.
    private func repository(_ scene: Scene) async throws -> String {
        let folder = try scene.context("FROM scratch\nCOPY none /\n", files: ["note": "n"])
        try "FROM scratch\nCOPY note /\n".write(toFile: "\(folder)/sub.Dockerfile", atomically: true, encoding: .utf8)
        let repository = scene.folder.appending(path: "repository.git").path
        let user = ["GIT_CONFIG_GLOBAL": "/dev/null", "HOME": scene.folder.path]
        for arguments in [
            ["-C", folder, "init", "-q", "-b", "main"], ["-C", folder, "add", "."],
            ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-q", "-m", "one"],
            ["clone", "-q", "--bare", folder, repository], ["-C", repository, "update-server-info"],
        ] {
            _ = try await runTool("/usr/bin/git", arguments, environment: user)
        }
        return repository
    }

    /// By Git's plain HTTP, which needs a server of files alone.
    @Test func aContextInGit() async throws {
        try await withScene { scene in
            let repository = try await repository(scene)
            try await withScriptedHTTPServer { server in
                for file in try FileManager.default.subpathsOfDirectory(atPath: repository) {
                    guard let bytes = FileManager.default.contents(atPath: "\(repository)/\(file)") else { continue }
                    server.on("GET", "/repository.git/\(file)", [.answer(200, Array(bytes))])
                }
                let build = try await scene.build(
                    context: "http://127.0.0.1:\(server.port)/repository.git#main",
                    ["--dockerfile", "sub.Dockerfile"])
                try #require(build.status == 0, "\(build.story)")
                #expect(build["context"]["files"] == 0)
                #expect(build.digest == (try await scene.pushedDigest()) && build.digest != nil)
            }
        }
    }

    /// The engine gets to a real SSH server by the caller's agent.
    @Test func aContextInGitOverSSH() async throws {
        try await withScene { scene in
            let key = scene.folder.appending(path: "key").path
            let line = try await makeSSHKey(key, ["-t", "ed25519"])
            let repository = try await repository(scene)
            try await withSSHServer(SSHServerOptions(authorizedKeys: [line])) { server in
                let context = "ssh://\(server.user)@\(server.host):\(server.port)\(repository)#main"
                let flags = ["--dockerfile", "sub.Dockerfile"]
                let refused = try await scene.build(context: context, flags)
                #expect(refused.status == 2 && refused.errorCode == "credential_missing", "\(refused.story)")
                #expect(refused["error"]["hint"]?.stringValue?.contains("--ssh default") == true)
                let build = try await scene.build(context: context, flags + ["--ssh", "default=\(key)"])
                try #require(build.status == 0, "\(build.story)")
                #expect(build["context"]["files"] == 0)
                #expect(build.digest == (try await scene.pushedDigest()) && build.digest != nil)
                #expect(server.log.contains("Accepted publickey"))
            }
        }
    }

    @Test func questionsAboutADockerfile() async throws {
        try await withScene { scene in
            let dockerfile = "FROM scratch AS base\nARG version=1\nFROM base as final\nCOPY Dockerfile /\n"
            let context = try scene.context(dockerfile)
            for (call, line) in [("outline", "TARGET: final"), ("targets", "final (default)")] {
                let build = try await scene.build(context: context, ["--call", call])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.errorText.contains(line) && build["checks"] == .null, "\(build.errorText)")
                #expect(build.artifact["pushed"] == false && build.digest == nil)
            }
            let build = try await scene.build(context: context, ["--call", "check"])
            // BuildKit has it from 0.15 on.
            guard build.errorCode != "engine_unsupported" else { return }
            try #require(build.status == 0, "\(build.story)")
            #expect(build["checks"][0]?["rule"] == "FromAsCasing" && build["checks"].arrayValue?.count == 1)
            #expect(build["checks"][0]?["place"] == ["file": "Dockerfile", "line": 3])
            #expect(build.errorText.contains("WARNING: FromAsCasing"), "\(build.errorText)")
            let strict = try scene.context("# check=error=true\n" + dockerfile, named: "strict")
            let refused = try await scene.build(context: strict, ["--call", "check"])
            #expect(refused.status == 1 && refused.errorCode == "build_failed", "\(refused.story)")
            #expect(refused["checks"].arrayValue?.count == 1)
            let broken = try scene.context("FROM scratch\nFOO bar\n", named: "broken")
            let unread = try await scene.build(context: broken, ["--call", "check"])
            #expect(unread.status == 1 && unread["error"]["message"]?.stringValue?.contains("FOO") == true)
            #expect(try await scene.pushedDigest() == nil)
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

    @Test func aRunnerForEachPlatform() async throws { try await PlatformCases().oneIndex { _ in } }

    @Test func theIndexKeepsAttestationsAndAnnotations() async throws {
        let flags = [
            "--attest", "provenance", "--annotation", "index:dev.lian.a=1",
        ]
        try await PlatformCases().oneIndex(flags) { index in
            #expect(index.mediaType == "application/vnd.oci.image.index.v1+json" && index.attested == 2)
            #expect(index.annotations == ["dev.lian.a": "1"])
        }
        try await PlatformCases().oneIndex(["--annotation", "manifest-descriptor[linux/386]:dev.lian.b=2"]) { index in
            #expect(index.images.map { $0["annotations"]?["dev.lian.b"] } == [nil, "2"])
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

    @Test(arguments: [RegistryFront.Fault.answer(503), .reset])
    func aRegistrysBadMinute(_ fault: RegistryFront.Fault) async throws {
        try await withScene { scene in
            _ = try await built(
                scene, try scene.context("FROM scratch\nCOPY Dockerfile /\n", named: "base"), image: "base")
            try await withFront(of: scene.registry) { front in
                let place = "\(front.host)/\(scene.workspace)"
                for (methods, part, name) in [
                    (["HEAD", "GET"], "/base/manifests", "pull"), (["POST"], "/push/", "push"),
                ] {
                    front.spoil(methods, part, fault)
                    let context = try scene.context(
                        "FROM \(place)/base:1\nCOPY Dockerfile /\(name)\n", named: name)
                    let running = try scene.start([
                        "--workspace", scene.workspace, "--context", context, "--image", "\(place)/\(name):1",
                    ])
                    try await running.says("trying again on the same runner")
                    front.recover()
                    let build = try await running.finished()
                    try #require(build.status == 0, "\(build.story)")
                    #expect(build.attempts.map { $0["registry_retries"] } == [1])
                    #expect(build.digest == (try await scene.pushedDigest(name)))
                }
            }
        }
    }

    /// A layer of noise fits, and what it would be compressed to beside it does not.
    @Test func theExportFillsTheDisk() async throws {
        try await withBuildStage(engine: "buildkit", diskKilobytes: 200_000) { stage in
            try await withBuildScene(on: stage) { scene in
                let context = try scene.context(
                    Scene.shell + "RUN busybox dd if=/dev/urandom of=/noise bs=1M count=110\n")
                let build = try await scene.build(context: context)
                #expect(build.status == 5 && build.errorCode == "disk_full", "\(build.story)")
                #expect(build.attempts.map { $0["disk_full"] } == ["export"], "\(build.story)")
            }
        }
    }

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
