import LianModel
import Testing

@testable import LianBuild

/// Directives beat flags and environment where they write a field, and every flag that loses is told.
@Suite struct RequestMergeTests {
    struct Meeting: Sendable, CustomStringConvertible {
        var flags: [String]
        var artifact: [String: JSONValue] = [:]
        var whole: [String: JSONValue] = [:]
        /// The flag and the field of the one warning; nil where nothing is lost.
        var warning: String?

        var description: String { flags.joined(separator: " ") }
    }

    private static let ci = "reg.example/acme/ci/acme/app:cache"
    private static let session: JSONValue = ["kind": "session", "actor": ["id": "mei", "kind": "human"]]

    static let losses = [
        Meeting(flags: ["--workspace", "other"], warning: "--workspace is not used: the directives write workspace"),
        Meeting(flags: ["--workspace", "acme"]),
        Meeting(flags: ["--context", "."], warning: "--context is not used: the directives write context"),
        Meeting(flags: ["--context", "nowhere"], warning: "--context is not used: the directives write context"),
        Meeting(flags: ["--context", "./app/"]),
        Meeting(flags: ["--image", "reg.example/b:2"], warning: "--image is not used: the directives write image"),
        Meeting(flags: ["--image", "reg.example/acme/app:1"]),
        Meeting(
            flags: ["--dockerfile", "D"], artifact: ["dockerfile": "Dockerfile"],
            warning: "--dockerfile is not used: the directives write dockerfile"),
        Meeting(flags: ["--dockerfile", "D"]),
        Meeting(
            flags: ["--platforms", "linux/arm64"], artifact: ["platforms": ["linux/amd64"]],
            warning: "--platforms is not used: the directives write platforms"),
        Meeting(flags: ["--platforms", "linux/arm64"], artifact: ["platforms": ["linux/arm64"]]),
        Meeting(
            flags: ["--target", "a"], artifact: ["target": "b"],
            warning: "--target is not used: the directives write target"),
        Meeting(flags: ["--target", "a"], artifact: ["target": "a"]),
        Meeting(
            flags: ["--build-arg", "A=1"], artifact: ["build_args": ["A": "2"]],
            warning: "--build-arg A is not used: the directives write it"),
        Meeting(flags: ["--build-arg", "A=2"], artifact: ["build_args": ["A": "2"]]),
        Meeting(flags: ["--build-arg", "A"], artifact: ["build_args": ["A": "2"]]),
        Meeting(
            flags: ["--label", "a=1"], artifact: ["labels": ["a": "2"]],
            warning: "--label a is not used: the directives write it"),
        Meeting(flags: ["--label", "a=2"], artifact: ["labels": ["a": "2"]]),
        Meeting(
            flags: ["--secret", "id=a,env=B"],
            artifact: ["secrets": [["id": "a", "ref": ["via": "env", "name": "A"]]]],
            warning: "--secret a is not used: the directives write it"),
        Meeting(
            flags: ["--secret", "id=a,env=A"],
            artifact: ["secrets": [["id": "a", "ref": ["via": "env", "name": "A"]]]]),
        Meeting(
            flags: ["--ssh", "a=key"], artifact: ["ssh": [["id": "a"]]],
            warning: "--ssh a is not used: the directives write it"),
        Meeting(flags: ["--ssh", "a=key"], artifact: ["ssh": [["id": "a", "key": "key"]]]),
        Meeting(
            flags: ["--build-context", "x=."], artifact: ["extra_contexts": ["x": "app"]],
            warning: "--build-context x is not used: the directives write it"),
        Meeting(flags: ["--build-context", "x=./app"], artifact: ["extra_contexts": ["x": "app"]]),
        Meeting(
            flags: ["--attest", "sbom"], artifact: ["attest": ["sbom": false]],
            warning: "--attest sbom is not used: the directives write attest.sbom"),
        Meeting(flags: ["--attest", "sbom"], artifact: ["attest": ["provenance": "max"]]),
        Meeting(
            flags: ["--attest", "provenance=min"], artifact: ["attest": ["provenance": "max"]],
            warning: "--attest provenance is not used: the directives write attest.provenance"),
        Meeting(flags: ["--attest", "provenance=max"], artifact: ["attest": ["provenance": "max"]]),
        Meeting(flags: ["--no-cache"], artifact: ["no_cache": false]),
        Meeting(
            flags: ["--no-push"], artifact: ["push": true],
            warning: "--no-push is not used: the directives write push"),
        Meeting(flags: ["--no-push"], artifact: ["push": false]),
        Meeting(flags: ["--pull"], artifact: ["pull": false]),
        Meeting(
            flags: ["--annotation", "a=1"], artifact: ["annotations": ["a": "2"]],
            warning: "--annotation a is not used: the directives write it"),
        Meeting(flags: ["--annotation", "index:a=1"], artifact: ["annotations": ["a": "2"]]),
        Meeting(
            flags: ["--add-host", "db:10.0.0.7"], artifact: ["add_hosts": ["db": "10.0.0.8"]],
            warning: "--add-host db is not used: the directives write it"),
        Meeting(flags: ["--add-host", "db=[::1]"], artifact: ["add_hosts": ["db": "::1"]]),
        Meeting(
            flags: ["--ulimit", "nofile=1"], artifact: ["ulimits": ["nproc=1", "nofile=2"]],
            warning: "--ulimit nofile is not used: the directives write it"),
        Meeting(flags: ["--ulimit", "nofile=1"], artifact: ["ulimits": ["nofile=1"]]),
        Meeting(
            flags: ["--shm-size", "64m"], artifact: ["shm_size": "1g"],
            warning: "--shm-size is not used: the directives write shm_size"),
        Meeting(
            flags: ["--network", "none"], artifact: ["network": "host"],
            warning: "--network is not used: the directives write network"),
        Meeting(flags: ["--allow", "device"], artifact: ["allow": ["network.host"]]),
        Meeting(
            flags: ["--compression", "zstd"], artifact: ["compression": "gzip"],
            warning: "--compression is not used: the directives write compression"),
        Meeting(
            flags: ["--compression-level", "3"], artifact: ["compression": "zstd", "compression_level": 9],
            warning: "--compression-level is not used: the directives write compression_level"),
        Meeting(flags: ["--compression-level", "3"], artifact: ["compression": "zstd"]),
        Meeting(flags: ["--tag", "reg.example/acme/app:2"], artifact: ["tags": ["reg.example/acme/app:2"]]),
        Meeting(
            flags: ["--language", "go"], whole: ["language": "rust"],
            warning: "--language is not used: the directives write language"),
        Meeting(flags: ["--language", "rust"], whole: ["language": "rust"]),
        Meeting(
            flags: ["--runner-image", "a"], whole: ["runner": ["image": "b"]],
            warning: "--runner-image is not used: the directives write runner.image"),
        Meeting(flags: ["--runner-image", "a"], whole: ["runner": ["cpu": 2]]),
        Meeting(
            flags: ["--cache-from", "reg.example/x:1"],
            whole: ["cache": ["mode": ["kind": "ci"], "import": [.string(ci)]]],
            warning: "--cache-from is not used: the directives write cache.import"),
        Meeting(flags: ["--cache-from", ci], whole: ["cache": ["mode": ["kind": "ci"], "import": [.string(ci)]]]),
        Meeting(
            flags: ["--cache-to", "reg.example/x:1"],
            whole: ["cache": ["mode": ["kind": "ci"], "export": [.string(ci)]]],
            warning: "--cache-to is not used: the directives write cache.export"),
        Meeting(flags: ["--cache-from", ci], whole: ["cache": ["mode": ["kind": "ci"]]]),
        Meeting(
            flags: ["--cache-to", ci], whole: ["cache": ["mode": session, "disposition": "discard"]],
            warning: "--cache-to is not used: the directives write cache.disposition"),
        Meeting(
            flags: ["--cache-from", "reg.example/x:1", "--cache-to", ci],
            whole: ["cache": ["mode": ["kind": "ci"], "import": [], "export": []]]),
        Meeting(
            flags: ["--volume", "a"], whole: ["cache": ["mode": ["kind": "ci"], "volume": "off"]],
            warning: "--volume is not used: the directives write cache.volume"),
        Meeting(
            flags: ["--volume", "off"], whole: ["cache": ["mode": ["kind": "ci"], "volume": ["name": "a"]]],
            warning: "--volume is not used: the directives write cache.volume"),
        Meeting(flags: ["--volume", "a"], whole: ["cache": ["mode": ["kind": "ci"], "volume": ["name": "a"]]]),
        Meeting(flags: ["--volume", "off"], whole: ["cache": ["mode": ["kind": "ci"]]]),
        Meeting(flags: ["--platforms", "linux/arm64"], artifact: ["platforms": []]),
        Meeting(
            flags: ["--actor", "ada"], whole: ["cache": ["mode": session]],
            warning: "--actor is not used: the directives write cache.mode"),
        Meeting(flags: ["--actor", "mei"], whole: ["cache": ["mode": session]]),
        Meeting(
            flags: ["--actor", "mei"], whole: ["cache": ["mode": ["kind": "ci"]]],
            warning: "--actor is not used: the directives write cache.mode"),
        Meeting(
            flags: ["--orchestrator-url", "http://localhost:9011/a"],
            whole: ["compute": ["provider": "local", "orchestrator_url": "http://localhost:9011/b"]],
            warning: "--orchestrator-url is not used: the directives write compute.orchestrator_url"),
        Meeting(
            flags: ["--orchestrator-url", "http://LOCALHOST:9011/"],
            whole: ["compute": ["provider": "local", "orchestrator_url": "http://localhost:9011"]]),
        Meeting(
            flags: ["--nats-url", "nats://a"], whole: ["nats": ["url": "nats://b"]],
            warning: "--nats-url is not used: the directives write nats.url"),
        Meeting(flags: ["--nats-url", "nats://a"], whole: ["nats": ["url": "nats://a"]]),
        Meeting(
            flags: ["--nats-subject-prefix", "a"], whole: ["nats": ["url": "nats://a", "subject_prefix": "b"]],
            warning: "--nats-subject-prefix is not used: the directives write nats.subject_prefix"),
        Meeting(
            flags: ["--nats-nkey-seed", "@other"],
            whole: ["nats": ["url": "nats://a", "nkey": ["via": "file", "path": "seed"]]],
            warning: "--nats-nkey-seed is not used: the directives write nats.nkey"),
        Meeting(
            flags: ["--nats-nkey-seed", "@seed"],
            whole: ["nats": ["url": "nats://a", "nkey": ["via": "file", "path": "seed"]]]),
        Meeting(
            flags: ["--ssh-key", "k", "--cpu", "9", "--memory-gb", "9", "--time-budget", "9"],
            whole: ["runner": ["cpu": 1, "memory_gb": 1, "time_budget_min": 1]]),
    ]

    @Test(arguments: losses)
    func everyLossIsToldOnce(meeting: Meeting) async throws {
        try await withRequestFixture { fixture in
            let request = try fixture.build(
                meeting.flags, directives: directives(meeting.artifact, whole: meeting.whole))
            #expect(request.warnings(.flagOverridden) == [meeting.warning].compactMap { $0 })
        }
    }

    @Test func theEnvironmentLosesUnderItsOwnName() async throws {
        try await withRequestFixture { fixture in
            let environment = ["BUILDKIT_WORKSPACE": "other", "NATS_NKEY_SEED": "seed"]
            let nats: JSONValue = ["url": "nats://a", "nkey": ["via": "env", "name": "NATS_NKEY_SEED"]]
            let request = try fixture.build(directives: directives(whole: ["nats": nats]), environment: environment)
            #expect(
                request.warnings(.flagOverridden) == [
                    "BUILDKIT_WORKSPACE is not used: the directives write workspace"
                ])
            #expect(request.workspace == "acme")
            #expect(request.events?.seed == .at(.environment("NATS_NKEY_SEED")))
        }
    }

    @Test func directivesWinWhatTheyWrite() async throws {
        try await withRequestFixture { fixture in
            let written: [String: JSONValue] = [
                "dockerfile": "sub/D", "target": "b", "platforms": ["linux/amd64"], "build_args": ["A": "2"],
                "labels": ["a": "2"], "no_cache": true, "tags": ["reg.example/acme/app:2"],
                "attest": ["sbom": true, "provenance": "min"],
            ]
            let artifact = try fixture.artifact(
                [
                    "--dockerfile", "D", "--target", "a", "--platforms", "linux/arm64", "--build-arg", "A=1",
                    "--build-arg", "B=1", "--label", "a=1", "--label", "b=1", "--attest", "provenance=max",
                    "--tag", "reg.example/acme/app:3", "--tag", "reg.example/acme/app:2",
                ], directives: directives(written))
            #expect(artifact.dockerfile == "sub/D")
            #expect(artifact.target == "b")
            #expect(artifact.platforms == ["linux/amd64"])
            #expect(artifact.buildArguments == ["A": "2", "B": "1"])
            #expect(artifact.labels == ["a": "2", "b": "1"])
            #expect(artifact.noCache && artifact.sbom)
            #expect(artifact.provenance == "min")
            #expect(artifact.tags.map(\.description) == ["reg.example/acme/app:2", "reg.example/acme/app:3"])
        }
    }

    @Test func flagsFillWhatDirectivesLeaveOpen() async throws {
        try await withRequestFixture { fixture in
            let request = try fixture.build(
                [
                    "--dockerfile", "D", "--target", "a", "--platforms", "linux/arm64,linux/amd64", "--no-cache",
                    "--attest", "sbom", "--attest", "provenance", "--language", "go", "--runner-image", "img",
                    "--actor", "ada", "--nats-url", "nats://a", "--compression", "zstd", "--secret", "id=s,env=S",
                    "--build-context", "x=.", "--insecure-registry", "host:5000", "--ssh", "default",
                ], directives: directives())
            let artifact = request.artifacts[0]
            #expect(request.warnings.isEmpty)
            #expect((artifact.dockerfile, artifact.target) == ("D", "a"))
            #expect(artifact.platforms == ["linux/arm64", "linux/amd64"])
            #expect(artifact.noCache && artifact.sbom && artifact.provenance == "")
            #expect(request.compute.language == "go")
            #expect(request.compute.runnerImage == "img")
            #expect(request.owner == .session(actor: "ada"))
            #expect(request.events?.url == "nats://a")
            #expect(artifact.compression == LayerCompression(.zstd))
            #expect(artifact.secrets == [SecretRequest(id: "s", source: .environment("S"))])
            #expect(artifact.agents == [SSHForward(id: "default", place: .environment)])
            #expect(artifact.extraContexts == ["x": .place(.folder(fixture.folder))])
            #expect(request.registry.insecureHosts == ["host:5000"])
        }
    }

    @Test func theSizeOfTheFlagsAlwaysWins() async throws {
        try await withRequestFixture { fixture in
            let runner: JSONValue = ["cpu": 2, "memory_gb": 4, "time_budget_min": 10]
            let written = directives(whole: ["runner": runner])
            let cpu = try fixture.build(["--cpu", "8"], directives: written)
            #expect(cpu.compute.size == SizeWish(cpu: 8, memoryGB: 4, timeBudgetMinutes: 10))
            let others = try fixture.build(["--memory-gb", "1.5", "--time-budget", "5"], directives: written)
            #expect(others.compute.size == SizeWish(cpu: 2, memoryGB: 1.5, timeBudgetMinutes: 5))
            let key = try fixture.build(["--ssh-key", "k"], directives: written)
            #expect(key.sshKey == "\(fixture.folder)/k")
        }
    }

    @Test func aTierStandsForItsSize() async throws {
        try await withRequestFixture { fixture in
            let tier = try fixture.build(directives: directives(whole: ["runner": ["tier": "cx42"]])).compute
            #expect(tier.size == SizeWish(cpu: 8, memoryGB: 16))
            let more = try fixture.build(
                ["--memory-gb", "32"], directives: directives(whole: ["runner": ["tier": "cx42", "cpu": 1]])
            ).compute
            #expect(more.size == SizeWish(cpu: 1, memoryGB: 32))
            let own: JSONValue = [
                "provider": "hcloud", "region": "fsn1", "tiers": [["name": "big", "cpu": 64, "memory_gb": 128]],
            ]
            let replaced = try fixture.build(
                directives: directives(whole: ["compute": own, "runner": ["tier": "big"]])
            ).compute
            #expect(replaced.size == SizeWish(cpu: 64, memoryGB: 128))
            #expect((replaced.provider, replaced.region) == ("hcloud", "fsn1"))
            let unknown = fixture.refusal(directives: directives(whole: ["runner": ["tier": "cx43"]]))
            #expect(unknown?.code == .directivesInvalid)
            #expect(unknown?.message.hasPrefix("runner.tier: 'cx43' is not a tier of the ladder; did you mean") == true)
            #expect(unknown?.hint.contains("cx22, cx32, cx42, cx52") == true)
        }
    }

    @Test(arguments: [
        ["--tag", "reg.example/a:1"], ["--target", "a"], ["--build-arg", "A=1"], ["--label", "a=1"],
        ["--secret", "id=a,env=A"], ["--build-context", "x=."], ["--attest", "sbom"], ["--no-cache"],
        ["--no-cache-filter", "a"], ["--annotation", "a=b"], ["--iidfile", "id"],
    ])
    func flagsForOneArtifactAreRefusedWithSeveral(flags: [String]) async throws {
        let two = directives(whole: [
            "artifacts": [
                ["name": "a", "context": "app", "image": "reg.example/acme/a:1", "depends_on": ["b"]],
                ["name": "b", "context": "app", "image": "reg.example/acme/b:1"],
            ]
        ])
        try await withRequestFixture { fixture in
            let error = fixture.refusal(flags, directives: two)
            #expect(error?.code == .invalidArgument)
            #expect(error?.message == "\(flags[0]) is for one artifact, and the directives have several")
            let request = try fixture.build(["--dockerfile", "D"], directives: two)
            #expect(request.artifacts.map(\.name) == ["b", "a"])
            #expect(request.artifacts.map(\.dockerfile) == ["D", "D"])
        }
    }

    @Test func aFlagThatLosesAgainstSeveralArtifactsIsToldOnce() async throws {
        let two = directives(whole: [
            "artifacts": [
                ["name": "a", "context": "app", "image": "reg.example/acme/a:1", "dockerfile": "X"],
                ["name": "b", "context": "app", "image": "reg.example/acme/b:1", "dockerfile": "Y"],
            ]
        ])
        try await withRequestFixture { fixture in
            let request = try fixture.build(["--dockerfile", "D"], directives: two)
            #expect(request.warnings(.flagOverridden).count == 1)
            #expect(request.artifacts.map(\.dockerfile) == ["X", "Y"])
        }
    }
}
