import LianModel
import Testing

@testable import LianBuild

/// The argument lists as buildctl gets them.
@Suite struct BuildctlCommandTests {
    private func command(
        _ fixture: RequestFixture, _ arguments: [String] = [], directives: JSONValue? = nil,
        environment: [String: String] = [:], address: String? = nil,
        progress: BuildctlCommand.ProgressFormat = .rawjson, exportsAllStages: Bool = true
    ) throws -> BuildctlCommand {
        let request = try fixture.build(arguments, directives: directives, environment: environment)
        return BuildctlCommand(
            artifact: request.artifacts[0], registry: request.registry,
            folders: BuildctlCommand.Folders(
                context: "/w/context-0", extraContexts: ["shared": "/w/context-1"], run: "/w/run-app"),
            address: address, progress: progress, exportsAllStages: exportsAllStages)
    }

    @Test func theLeast() async throws {
        try await withRequestFixture { fixture in
            let list = try command(fixture).arguments
            #expect(
                list == [
                    "build", "--progress", "rawjson", "--frontend", "dockerfile.v0",
                    "--local", "context=/w/context-0", "--local", "dockerfile=/w/context-0",
                    "--opt", "filename=Dockerfile",
                    "--output", "type=image,name=reg.example/team/app:1,push=true",
                    "--import-cache", "type=registry,ref=reg.example/team/ci/acme/app:cache",
                    "--export-cache",
                    "type=registry,ref=reg.example/team/ci/acme/app:cache,mode=max,ignore-error=true",
                    "--metadata-file", "/w/run-app/result",
                ])
        }
    }

    @Test func whatIsBrought() async throws {
        try await withRequestFixture { fixture in
            let list = try command(
                fixture,
                [
                    "--output", "out", "--output", "type=oci,dest=a.tar", "--output", "type=image", "--load",
                    "--annotation", "a=b",
                ]
            ).arguments
            let outputs = zip(list, list.dropFirst()).filter { $0.0 == "--output" }.map(\.1)
            #expect(
                outputs == [
                    "type=image,name=reg.example/team/app:1,push=true,annotation.a=b",
                    "type=local,dest=/w/run-app/output-0",
                    "type=oci,dest=/w/run-app/output-1,name=reg.example/team/app:1,annotation.a=b",
                    "type=docker,dest=/w/run-app/output-2,name=reg.example/team/app:1",
                ])
            let plain = try command(fixture, ["--output", "type=tar,dest=a.tar"]).arguments
            #expect(
                plain.contains("type=tar,dest=/w/run-app/output-0") && !plain.contains { $0.hasPrefix("type=image") })
        }
    }

    @Test func theMost() async throws {
        try await withRequestFixture { fixture in
            let registry: JSONValue = [
                "provider": "harbor", "endpoint": "reg.example", "namespace": "acme", "insecure": true,
            ]
            let command = try command(
                fixture,
                [
                    "--dockerfile", "sub/D", "--target", "final", "--platforms", "linux/amd64,linux/arm64",
                    "--build-arg", "B=2", "--build-arg", "A=x=y", "--label", "l=v", "--no-cache", "--attest", "sbom",
                    "--attest", "provenance=max", "--secret", "id=npm,env=NPM", "--tag", "reg.example/acme/app:2",
                    "--build-context", "shared=.", "--build-context", "base=docker-image://reg.example/b:1",
                    "--compression", "zstd", "--ssh", "default", "--ssh", "deploy=key",
                ], directives: directives(whole: ["registry": registry]), address: "unix:///run/b.sock",
                progress: .plain, exportsAllStages: false)
            #expect(
                command.arguments == [
                    "--addr", "unix:///run/b.sock", "build", "--progress", "plain", "--frontend", "dockerfile.v0",
                    "--local", "context=/w/context-0", "--local", "dockerfile=/w/context-0",
                    "--opt", "filename=sub/D", "--opt", "target=final",
                    "--opt", "platform=linux/amd64,linux/arm64",
                    "--opt", "build-arg:A=x=y", "--opt", "build-arg:B=2", "--opt", "label:l=v",
                    "--opt", "context:base=docker-image://reg.example/b:1",
                    "--local", "shared=/w/context-1", "--opt", "context:shared=local:shared",
                    "--no-cache", "--opt", "attest:sbom=", "--opt", "attest:provenance=mode=max",
                    "--secret", "id=npm,src=/w/run-app/secrets/secret.npm",
                    "--ssh", "default=secrets/agent.0", "--ssh", "deploy=secrets/agent.1",
                    "--output",
                    "type=image,\"name=reg.example/acme/app:1,reg.example/acme/app:2\",push=true,compression=zstd,"
                        + "force-compression=true,oci-mediatypes=true,registry.insecure=true",
                    "--import-cache",
                    "type=registry,ref=reg.example/acme/ci/acme/app:cache,registry.insecure=true",
                    "--export-cache",
                    "type=registry,ref=reg.example/acme/ci/acme/app:cache,registry.insecure=true,"
                        + "image-manifest=true,oci-mediatypes=true,compression=zstd,ignore-error=true",
                    "--metadata-file", "/w/run-app/result",
                ])
        }
    }

    @Test func howStepsRun() async throws {
        try await withRequestFixture { fixture in
            let written: [String: JSONValue] = [
                "no_cache_filter": ["a"], "add_hosts": ["v6.test": "::1"], "ulimits": ["nofile=1024:2048"],
                "allow": ["device"], "annotations": ["a.b": "c"], "compression": "zstd",
            ]
            let list = try command(
                fixture,
                [
                    "--pull", "--add-host", "db.test:10.0.0.7", "--ulimit", "nproc=-1", "--shm-size", "64M",
                    "--network", "host", "--no-push", "--compression-level", "19",
                ], directives: directives(written)
            ).arguments
            let start = try #require(list.firstIndex(of: "no-cache=a"))
            #expect(
                Array(list[(start - 1)...].prefix(17)) == [
                    "--opt", "no-cache=a", "--opt", "image-resolve-mode=pull",
                    "--opt", "add-hosts=db.test=10.0.0.7,v6.test=::1", "--opt", "ulimit=nofile=1024:2048,nproc=-1",
                    "--opt", "shm-size=67108864", "--opt", "force-network-mode=host", "--allow", "device",
                    "--allow", "network.host",
                    "--output",
                ])
            #expect(
                list.contains(
                    "type=image,name=reg.example/acme/app:1,push=false,compression=zstd,compression-level=19,"
                        + "force-compression=true,oci-mediatypes=true,annotation.a.b=c"))
        }
    }

    @Test func noCacheIsMoreThanItsFilter() async throws {
        try await withRequestFixture { fixture in
            let list = try command(fixture, ["--no-cache", "--no-cache-filter", "a,b"]).arguments
            #expect(list.contains("--no-cache") && !list.contains { $0.hasPrefix("no-cache=") })
        }
    }

    @Test func theNetworkOfTheStepsIsTheEnginesUnlessItIsSaid() async throws {
        try await withRequestFixture { fixture in
            let list = try command(fixture, ["--network", "default"]).arguments
            #expect(!list.contains { $0.hasPrefix("force-network-mode") } && !list.contains("--allow"))
        }
    }

    /// An annotation's value is any text, and ends no field of the list that it stands in.
    @Test func anAnnotationIsOneField() async throws {
        try await withRequestFixture { fixture in
            let output = try command(
                fixture,
                [
                    "--annotation", "index,manifest[linux/amd64]:a=b", "--annotation", "t=say \"a\", push=false",
                    "--annotation", "u=one\ntwo",
                ]
            ).arguments.first { $0.hasPrefix("type=image") }
            #expect(
                output == "type=image,name=reg.example/team/app:1,push=true,annotation-index.a=b,"
                    + "annotation-manifest[linux/amd64].a=b,\"annotation.t=say \"\"a\"\", push=false\","
                    + "\"annotation.u=one\ntwo\"")
        }
    }

    /// What an orchestrator names the work folder goes into a list of fields.
    @Test func aCommaInTheWorkFolderEndsNoField() async throws {
        try await withRequestFixture { fixture in
            var command = try command(fixture, ["--secret", "id=npm,env=NPM"])
            command.folders.run = "/w,src=/etc/shadow/run-app"
            #expect(
                command.arguments.contains("id=npm,\"src=/w,src=/etc/shadow/run-app/secrets/secret.npm\""),
                "\(command.arguments)")
        }
    }

    @Test func whatIsShownHoldsNoValue() async throws {
        try await withRequestFixture { fixture in
            let command = try command(
                fixture, ["--build-arg", "A=hunter22", "--build-arg", "EMPTY=", "--build-arg", "E"],
                environment: ["E": "sesame"])
            #expect(!command.redactedArguments.joined().contains("hunter22"))
            #expect(!command.redactedArguments.joined().contains("sesame"))
            let shown = command.redactedArguments.filter { $0.hasPrefix("build-arg:") }
            #expect(shown == ["build-arg:A=***", "build-arg:E=***", "build-arg:EMPTY=***"])
            #expect(command.arguments.contains("build-arg:E=sesame"))
        }
    }

    @Test(arguments: [
        (["--attest", "provenance"], ["attest:provenance="]),
        (["--attest", "provenance=min"], ["attest:provenance=mode=min"]),
    ])
    func provenance(flags: [String], options: [String]) async throws {
        try await withRequestFixture { fixture in
            let list = try command(fixture, flags).arguments
            #expect(list.filter { $0.hasPrefix("attest:") } == options)
        }
    }

    @Test func gzipNeedsNoNewMediaTypes() async throws {
        try await withRequestFixture { fixture in
            let list = try command(fixture, ["--compression", "gzip"]).arguments
            #expect(
                list.contains(
                    "type=image,name=reg.example/team/app:1,push=true,compression=gzip,force-compression=true"))
        }
    }
}
