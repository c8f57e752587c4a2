import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Builds by the engine that is on this machine, through the buildctl on the runner's PATH.
@Suite(.needsRoot) struct EngineTests {
    private func withRunner(
        memoryMB: Int = 1024, stateLength: Int? = nil, _ body: (Caller, ReadyRunner) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator(stateLength: stateLength) { orchestrator in
                let runner = try await orchestrator.readyRunner(caller.order(memoryMB: memoryMB))
                try await body(caller, runner)
            }
        }
    }

    @Test func theLongestStateFolderThatIsTakenServes() async throws {
        try await withRunner(stateLength: 48) { caller, runner in
            try await caller.prepare(runner, "RUN echo built")
            let result = try await caller.build(runner, "--opt filename=Dockerfile")
            #expect(result.termination == .exited(0), "\(result.errorText)")
        }
    }

    @Test func anImageIsBuiltAndPushedAndItsCacheServes() async throws {
        try await withRegistry { registry in
            let flags = """
                --opt filename=Dockerfile --opt 'build-arg:GREETING=hi, there' --opt label:k=v \
                --secret id=tok,src=tok --output 'type=image,"name=\(registry.host)/acme/app:1,\(registry.host)/acme/app:latest",push=true' \
                --export-cache type=registry,ref=\(registry.host)/acme/cache:main,ignore-error=true \
                --import-cache type=registry,ref=\(registry.host)/acme/cache:main \
                --import-cache type=registry,ref=\(registry.host)/acme/never:1 --metadata-file meta.json
                """
            let dockerfile = """
                ARG GREETING
                RUN --mount=type=secret,id=tok echo "$GREETING"; busybox wc -c < /run/secrets/tok
                RUN echo made > /made
                """
            for isSecond in [false, true] {
                try await withRunner { caller, runner in
                    try await caller.prepare(runner, dockerfile)
                    let result = try await caller.build(runner, flags, before: "printf hidden > tok")
                    #expect(result.termination == .exited(0), "\(result.errorText)")
                    #expect(result.errorText.contains("CACHED") == isSecond)
                    // A step that came from the cache says nothing.
                    #expect(result.errorText.contains("hi, there\n") != isSecond)
                    let read = try await caller.ssh(runner, "cat \(runner.workDir)/meta.json")
                    let metadata = try JSONValue.parse(read.output)
                    let digest = try #require(metadata["containerimage.digest"]?.stringValue)
                    #expect(try await registry.digest(of: "acme/app", tag: "1") == digest)
                    #expect(try await registry.digest(of: "acme/app", tag: "latest") == digest)
                    #expect(try await registry.digest(of: "acme/cache", tag: "main") != nil)
                    #expect(
                        metadata["image.name"]?.stringValue
                            == "\(registry.host)/acme/app:1,\(registry.host)/acme/app:latest")
                }
            }
        }
    }

    @Test func failuresAreTold() async throws {
        try await withRunner { caller, runner in
            try await caller.prepare(runner, "RUN echo before; exit 3")
            let step = try await caller.build(runner, "")
            #expect(step.termination == .exited(1))
            #expect(step.errorText.contains("before"))
            #expect(step.errorText.contains("exit code: 3"))

            try await caller.prepare(runner, "RUN true")
            let nowhere = "127.0.0.1:1/acme/app:1"
            let push = try await caller.build(runner, "--output type=image,name=\(nowhere),push=true")
            #expect(push.termination == .exited(1))
            #expect(push.errorText.contains("failed to push \(nowhere)"))
            let cache = "--export-cache type=registry,ref=\(nowhere)"
            #expect(try await caller.build(runner, cache).termination == .exited(1))
            #expect(try await caller.build(runner, cache + ",ignore-error=true").termination == .exited(0))
        }
    }

    @Test func anEngineThatDiesIsNotTheStepsFault() async throws {
        try await withRunner { caller, runner in
            try await caller.prepare(runner, "RUN echo begun; sleep 600")
            let result = try await caller.ssh(
                runner,
                """
                cd \(runner.workDir) && { buildctl build --frontend dockerfile.v0 --local context=c \
                --local dockerfile=c --opt force-network-mode=host --allow network.host --progress plain >log 2>&1 & }
                build=$!
                while kill -0 $build && ! grep -q ' begun$' log; do sleep 0.1; done
                kill -9 "$(cut -d ' ' -f 1 ../engine.process)"
                wait $build
                cat log
                ls ../x/runc | wc -l
                """)
            #expect(result.outputText.contains("code = Unavailable"), "\(result.outputText)")
            // What runc knows of the step goes with the runner.
            #expect(result.outputText.hasSuffix("\n1\n"), "\(result.outputText)")
        }
    }

    @Test func outOfMemoryIsReal() async throws {
        try await withRunner(memoryMB: 512) { caller, runner in
            let count = "cat \"$LIAN_CGROUP/memory.failcnt\" 2>/dev/null || cat \"$LIAN_CGROUP/memory.events\""
            let before = try await caller.ssh(runner, count).outputText
            try #require(!before.isEmpty, "runners have no cgroup here")
            // Many processes that are small each: it is still a step that ends, not the engine.
            try await caller.prepare(
                runner,
                "RUN for i in 1 2 3 4 5 6 7 8; do busybox tail /dev/zero & done; wait; busybox tail /dev/zero")
            let result = try await caller.build(runner, "")
            #expect(result.termination == .exited(1))
            #expect(result.errorText.contains("exit code: 137") || result.errorText.contains("cannot allocate memory"))
            #expect(try await caller.ssh(runner, count).outputText != before)
            // The engine lives on, and so does the runner.
            try await caller.prepare(runner, "RUN echo after")
            #expect(try await caller.build(runner, "").termination == .exited(0))
        }
    }

    /// The user's own daemon builds for all runners, and outlives them.
    @Test func aSharedDaemonServes() async throws {
        try await DockerEngine.with { daemon in
            try await withTemporaryFolder { folder in
                let caller = try await Caller(in: folder)
                let environment = ["DOCKER_HOST": daemon.host]
                try await withOrchestrator(engine: "docker", environment: environment) { orchestrator in
                    let health = try await orchestrator.request("GET", "/healthz")
                    #expect(health.json["data"]?["engine"] == "docker")
                    var order = caller.order()
                    order.provider = "docker-local"
                    let runner = try await orchestrator.readyRunner(order)
                    try await caller.prepare(runner, "RUN echo shared")
                    let result = try await caller.build(runner, "--output type=image,name=127.0.0.1:1/acme/app:1")
                    #expect(result.termination == .exited(0), "\(result.errorText)")
                    // Its limits would not be the engine's, so no group is named.
                    #expect(try await caller.ssh(runner, "echo \"[${LIAN_CGROUP-}]\"").outputText == "[]\n")
                }
                let images = try await daemon.docker(["images", "--quiet", "127.0.0.1:1/acme/app:1"])
                #expect(!images.outputText.isEmpty)
            }
        }
    }

    @Test("row 80: the daemon of the user's Docker context is the one that runners use")
    func theContextsDaemonServes() async throws {
        try await DockerEngine.with { daemon in
            try await withTemporaryFolder { folder in
                let configuration = folder.appending(path: "docker").path
                let user = ["DOCKER_CONFIG": configuration, "DOCKER_CONTEXT": "mine", "DOCKER_HOST": ""]
                try await runTool(
                    daemon.client, ["context", "create", "mine", "--docker", "host=\(daemon.host)"],
                    environment: ["DOCKER_CONFIG": configuration])
                let caller = try await Caller(in: folder)
                try await withOrchestrator(engine: "docker", environment: user) { orchestrator in
                    let runner = try await orchestrator.readyRunner(caller.order())
                    try await caller.prepare(runner, "RUN echo by context")
                    let output = "--output type=image,name=127.0.0.1:1/acme/app:2,push=false"
                    // Whatever the session says of another daemon: the engine is the runner's.
                    let result = try await caller.build(runner, output, before: "export DOCKER_CONTEXT=none")
                    #expect(result.termination == .exited(0), "\(result.errorText)")
                    let told = try await caller.ssh(runner, "env").outputText.split(separator: "\n")
                    #expect(told.filter { $0.hasPrefix("DOCKER_") } == ["DOCKER_HOST=\(daemon.host)"])
                }
                let images = try await daemon.docker(["images", "--quiet", "127.0.0.1:1/acme/app:2"])
                #expect(!images.outputText.isEmpty)
            }
        }
    }

    /// What Docker's BuildKit cannot do is refused by name, before anything is built.
    @Test func whatTheEngineCannotDoIsRefused() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator(engine: "dockerd") { orchestrator in
                let runner = try await orchestrator.readyRunner(caller.order())
                let version = try await caller.ssh(runner, "buildctl --version")
                #expect(version.outputText.hasPrefix("buildctl lian-docker-shim "))
                let workers = try await caller.ssh(runner, "buildctl debug workers")
                #expect(workers.outputText.contains("linux/"))
                for (flags, name) in [
                    ("--export-cache type=registry,ref=127.0.0.1:1/a/b:c,mode=max", "--export-cache mode=max"),
                    ("--export-cache type=local,dest=/x", "--export-cache type=local"),
                    ("--opt platform=linux/amd64,linux/arm64", "several platforms (linux/amd64,linux/arm64)"),
                    ("--local more=c", "extra contexts (--local more)"),
                    ("--opt context:base=docker-image://x", "extra contexts (context:base)"),
                    ("--opt attest:sbom=", "attestations (attest:sbom)"),
                    ("--output type=image,name=127.0.0.1:1/a:1,compression=zstd", "--output compression=zstd"),
                    (
                        "--output type=image,name=registry.test/a:1,push=true,registry.insecure=true",
                        "plain HTTP to registry.test"
                    ),
                    ("--output type=oci,dest=x", "--output type=oci"),
                    ("--progress rawjson", "--progress rawjson"), ("--secret id=a,env=B", "--secret env"),
                    (
                        "--output type=image,name=127.0.0.1:1/a:1 --output type=image,name=127.0.0.1:1/b:1,push=false",
                        "several outputs (--output)"
                    ),
                    (
                        "--import-cache type=registry,ref=registry.test/a:c,registry.insecure=true",
                        "plain HTTP to registry.test"
                    ),
                    ("--opt no-cache=stage", "no-cache for single stages"),
                    ("--opt source=x", "--opt source"), ("--allow security.insecure", "--allow security.insecure"),
                ] {
                    let result = try await caller.ssh(
                        runner, "buildctl build --frontend dockerfile.v0 --local context=c \(flags)")
                    #expect(result.termination == .exited(64))
                    #expect(result.errorText == "error: engine_unsupported: \(name)\n")
                }
                for other in ["", "--all", "--filter type==source.local", "--all --filter type==regular", "--keep 1"] {
                    #expect(try await caller.ssh(runner, "buildctl prune \(other)").termination == .exited(64))
                }
                let pruned = try await caller.ssh(runner, "buildctl prune --all --filter type==source.local")
                #expect(pruned.termination == .exited(0), "\(pruned.errorText)")
                let elsewhere = try await caller.ssh(runner, "buildctl --addr tcp://x.test:1 debug workers")
                #expect(elsewhere.termination == .exited(64))
                let own = try await caller.ssh(runner, "buildctl --addr=\"$DOCKER_HOST\" debug workers")
                #expect(own.termination == .exited(0))
                #expect(try await caller.ssh(runner, "buildctl").termination == .exited(1))
                #expect(try await caller.ssh(runner, "buildctl build --output").termination == .exited(1))
            }
        }
    }
}
