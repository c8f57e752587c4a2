import LianHTTP
import LianModel
import LianSystem
import Testing

@testable import LianBuild

/// Caches in buildx's long form: what they become in a layer, for buildctl, and what is refused.
@Suite struct CacheStoreTests {
    private func command(
        _ fixture: RequestFixture, _ flags: [String], directives: JSONValue? = nil, exportsAllStages: Bool = true
    ) throws -> [String] {
        let request = try fixture.build(flags, directives: directives)
        return BuildctlCommand(
            artifact: request.artifacts[0], registry: request.registry,
            folders: .init(context: "/c", extraContexts: [:], run: "/r"), address: nil, progress: .rawjson,
            exportsAllStages: exportsAllStages
        ).arguments
    }

    private func values(of flag: String, in list: [String]) -> [String] {
        zip(list, list.dropFirst()).filter { $0.0 == flag }.map(\.1)
    }

    @Test(arguments: [
        (
            "type=registry,ref=reg.example/team/x:c,mode=min,ignore-error=false",
            ["type=registry,ref=reg.example/team/x:c,mode=min,ignore-error=false"]
        ),
        // What buildx's users leave out means what it means there.
        ("type=registry,ref=reg.example/team/x:c", ["type=registry,ref=reg.example/team/x:c,ignore-error=true"]),
        ("type=inline", ["type=inline"]),
        ("type=gha,mode=max", ["type=gha,mode=max,scope=ci/acme/app,ignore-error=true"]),
        ("type=gha,scope=mine", ["type=gha,scope=ci/acme/app/mine,ignore-error=true"]),
        (
            "type=s3,region=eu-1,bucket=b,prefix=caches",
            ["type=s3,region=eu-1,bucket=b,prefix=caches/ci/acme/app/,ignore-error=true"]
        ),
        (
            "type=azblob,account_url=https://a.example",
            ["type=azblob,account_url=https://a.example,prefix=ci/acme/app/,ignore-error=true"]
        ),
    ])
    func whatIsWritten(text: String, expected: [String]) async throws {
        try await withRequestFixture { fixture in
            #expect(values(of: "--export-cache", in: try command(fixture, ["--cache-to", text])) == expected)
            let written = directives(["cache_to": [.string(text.replacing("team/", with: "acme/"))]])
            let list = values(of: "--export-cache", in: try command(fixture, [], directives: written))
            #expect(list == expected.map { $0.replacing("team/", with: "acme/") })
        }
    }

    /// A session reads its own part of a store and CI's, and writes its own alone: by construction.
    @Test func eachLayerHasItsPartOfAStore() async throws {
        try await withRequestFixture { fixture in
            let list = try command(
                fixture,
                [
                    "--actor", "a-b", "--cache-from", "type=gha", "--cache-from", "reg.example/x:1", "--cache-to",
                    "type=gha",
                ])
            #expect(
                values(of: "--import-cache", in: list) == [
                    "type=gha,scope=dev/a--b-acme/app", "type=gha,scope=ci/acme/app",
                    "type=registry,ref=reg.example/x:1",
                ])
            #expect(
                values(of: "--export-cache", in: list) == ["type=gha,scope=dev/a--b-acme/app,ignore-error=true"])
        }
    }

    @Test func theRuleOfLayersHoldsForTheLongForm() async throws {
        try await withRequestFixture { fixture in
            for flags in [
                ["--cache-from", "type=registry,ref=reg.example/team/dev/ada-acme/app:cache"],
                ["--cache-to", "type=registry,mode=max,ref=reg.example/team/dev/ada-acme/app:cache"],
            ] {
                #expect(fixture.refusal(flags)?.code == .cacheForbidden)
            }
        }
    }

    @Test func whatAnArtifactWritesComesFirst() async throws {
        try await withRequestFixture { fixture in
            let policy: JSONValue = ["mode": ["kind": "ci"], "import": ["reg.example/acme/whole:1"]]
            let own = "reg.example/acme/own:1"
            let request = try fixture.build(
                ["--cache-from", "reg.example/acme/flag:1"],
                directives: directives(["cache_from": [.string(own)]], whole: ["cache": policy]))
            #expect(request.artifacts[0].cacheFrom.map(\.description) == [own])
            #expect(
                request.warnings(.flagOverridden) == ["--cache-from is not used: the directives write cache_from"])
        }
    }

    /// A folder of the caller's: from where it was written, with a folder in it for each layer.
    @Test func aCacheInAFolder() async throws {
        try await withRequestFixture { fixture in
            let flags = ["--cache-from", "type=local,src=caches", "--cache-to", "type=local,dest=caches,mode=max"]
            let none = try fixture.build(flags)
            #expect(none.artifacts[0].cacheFrom == [] && none.notes.count == 1)
            #expect(none.artifacts[0].cacheTo.map(\.folder) == ["\(fixture.folder)/caches/ci/acme/app"])
            let layer = "\(fixture.folder)/caches/ci/acme/app"
            try makeFolder(layer)
            try writeFile("\(layer)/index.json", "{}")
            let found = try fixture.build(flags)
            #expect(found.notes == [] && found.artifacts[0].travelling.map(\.folder).last == layer)
            let list = BuildctlCommand(
                artifact: found.artifacts[0], registry: found.registry,
                folders: .init(context: "/w/c", extraContexts: [:], caches: [layer: "/w/context-1"], run: "/w/run"),
                address: nil, progress: .plain, exportsAllStages: true
            ).arguments
            #expect(list.contains("type=local,src=/w/context-1"))
            #expect(list.contains("type=local,dest=/w/run/cache-0,mode=max,ignore-error=true"))
            let session = try fixture.build(flags + ["--actor", "ada"])
            #expect(session.artifacts[0].cacheFrom.map(\.description) == ["type=local,src=caches/ci/acme/app"])
            let written = session.artifacts[0].cacheTo.map(\.description)
            #expect(written == ["type=local,dest=caches/dev/ada-acme/app,mode=max"])
        }
    }

    @Test(arguments: [
        (
            ["--cache-to", "type=local,src=/x"], ErrorCode.invalidArgument,
            "--cache-to type=local has no key 'src' here"
        ),
        (["--cache-from", "type=local"], .invalidArgument, "--cache-from type=local needs src=FOLDER"),
        (
            ["--cache-from", "type=local,src=https://x.example/a"], .invalidArgument,
            "--cache-from src= must be the path"
        ),
        (
            ["--cache-from", "type=s3,access_key_id=hunter22"], .engineUnsupported,
            "--cache-from type=s3 takes no access_key_id="
        ),
        (
            ["--cache-to", "type=azblob,secret_access_key=hunter22"], .engineUnsupported,
            "--cache-to type=azblob takes no"
        ),
        (["--cache-to", "type=gha,token=hunter22"], .engineUnsupported, "--cache-to type=gha takes no token="),
        (
            ["--cache-from", "type=inline"], .invalidArgument,
            "--cache-from has a type that is not one of registry, gha, s3, azblob, local"
        ),
        (
            ["--cache-to", "type=ghs"], .invalidArgument,
            "--cache-to has a type that is not one of registry, inline, gha, s3, azblob, local"
        ),
        (["--cache-to", "ref=reg.example/a:1"], .invalidArgument, "--cache-to needs type="),
        (
            ["--cache-to", "type=gha,scop=x"], .invalidArgument,
            "--cache-to type=gha has no key 'scop' here; did you mean 'scope'?"
        ),
        (["--cache-from", "type=gha,mode=max"], .invalidArgument, "--cache-from type=gha has no key 'mode' here"),
        (["--cache-to", "type=gha,mode=most"], .invalidArgument, "--cache-to mode= must be one of min, max"),
        (["--cache-to", "type=registry"], .invalidArgument, "--cache-to type=registry needs ref="),
        (["--cache-to", "type=registry,ref=app"], .invalidArgument, "--cache-to ref= must be REGISTRY/NAME:TAG"),
        (["--cache-to", "type=gha,"], .invalidArgument, "--cache-to must be KEY=VALUE"),
        (["--cache-to", "type=gha,type=s3"], .invalidArgument, "--cache-to gives 'type' twice"),
    ])
    func refusals(flags: [String], code: ErrorCode, start: String) async throws {
        try await withRequestFixture { fixture in
            let error = try #require(fixture.refusal(flags))
            #expect(error.code == code && error.message.hasPrefix(start), "\(error.message)")
            #expect(!"\(error)".contains("hunter22") && error.hint.contains("type="))
        }
    }

    /// Only what one reference holds is overwritten by the next artifact.
    @Test func severalArtifactsMayWriteToOneStore() async throws {
        let two = directives(whole: [
            "artifacts": [
                ["name": "a", "context": "app", "image": "reg.example/acme/a:1"],
                ["name": "b", "context": "app", "image": "reg.example/acme/b:1"],
            ]
        ])
        try await withRequestFixture { fixture in
            let request = try fixture.build(["--cache-to", "type=gha"], directives: two)
            #expect(
                request.artifacts.flatMap(\.cacheTo).map(\.description) == [
                    "type=gha,scope=ci/acme/a", "type=gha,scope=ci/acme/b",
                ])
            let shared = ["--cache-to", "type=registry,ref=reg.example/acme/x:1"]
            #expect(fixture.refusal(shared, directives: two)?.code == .invalidArgument)
        }
    }

    /// The token of GitHub's cache is a secret: it is in buildctl's environment, in no argument, and hidden in what is
    /// shown.
    @Test func githubsCacheComesByTheEnvironment() async throws {
        try await withRequestFixture { fixture in
            let request = try fixture.build(["--cache-to", "type=gha"])
            let environment = [
                "ACTIONS_RUNTIME_TOKEN": "hunter22-token", "ACTIONS_RESULTS_URL": "https://results.example/",
                "ACTIONS_CACHE_SERVICE_V2": "true", "OTHER": "x",
            ]
            let http = try HTTPClient()
            let secrets = try await BuildSecrets.read(request, environment: environment, http: http)
            #expect(secrets.buildEnvironment(run: "/r") == environment.filter { $0.key != "OTHER" })
            #expect(secrets.environment(run: "/r").isEmpty)
            #expect(!secrets.mask.masked("a hunter22-token").contains("hunter22"))
            for (missing, name) in [
                ("ACTIONS_RUNTIME_TOKEN", "ACTIONS_RUNTIME_TOKEN"),
                ("ACTIONS_RESULTS_URL", "ACTIONS_RESULTS_URL or ACTIONS_CACHE_URL"),
            ] {
                let error = await #expect(throws: LianError.self) {
                    try await BuildSecrets.read(
                        request, environment: environment.filter { $0.key != missing }, http: http)
                }
                #expect(error?.code == .credentialMissing)
                #expect(error?.message == "the cache type=gha needs \(name), which is not set")
            }
            let without = try await BuildSecrets.read(try fixture.build(), environment: environment, http: http)
            #expect(without.buildEnvironment(run: "/r").isEmpty)
        }
    }

    @Test func anEngineWithInlineCachesAloneIsNotAskedForMore() async throws {
        try await withRequestFixture { fixture in
            let list = try command(fixture, ["--cache-to", "reg.example/x:1"], exportsAllStages: false)
            #expect(values(of: "--export-cache", in: list) == ["type=registry,ref=reg.example/x:1,ignore-error=true"])
        }
    }
}
