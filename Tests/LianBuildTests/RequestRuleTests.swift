import Foundation
import LianConfiguration
import LianHTTP
import LianModel
import LianSystem
import Testing

@testable import LianBuild

/// What flags, environment and directives may say, apart from whom they beat.
@Suite struct RequestRuleTests {
    @Test func flagsAloneMakeARequest() async throws {
        try await withRequestFixture { fixture in
            let request = try fixture.build(["--known-hosts", "hosts", "--metadata-file", "m.json"])
            let artifact = request.artifacts[0]
            #expect((request.workspace, request.mode, request.actor) == ("acme", "ci", nil))
            #expect(artifact.name == "app" && artifact.context == .folder("\(fixture.folder)/app"))
            #expect(artifact.dockerfile == "Dockerfile")
            #expect(request.registry.endpoint == "reg.example")
            #expect(request.registry.namespace == "team")
            #expect(artifact.cacheFrom == ["reg.example/team/ci/acme/app:cache"])
            #expect(artifact.cacheTo == ["reg.example/team/ci/acme/app:cache"])
            #expect(request.orchestrator.url == (try HTTPURL("http://localhost:9011")))
            #expect(request.orchestrator.spawnTimeoutSeconds == 300)
            #expect(request.sshKey == BuildRequest.ephemeralKey)
            #expect(request.knownHosts == "\(fixture.folder)/hosts")
            #expect(request.metadataFile == "\(fixture.folder)/m.json")
            #expect(request.specFolder == artifact.context.folder)
            #expect(request.events == nil && request.warnings.isEmpty)
        }
    }

    @Test func anImageWithoutNamespace() async throws {
        try await withRequestFixture { fixture in
            let artifact = try fixture.artifact(["--image", "reg.example/app:1", "--actor", "a-b"])
            #expect(
                artifact.cacheFrom == ["reg.example/dev/a--b-acme/app:cache", "reg.example/ci/acme/app:cache"])
            #expect(artifact.cacheTo == ["reg.example/dev/a--b-acme/app:cache"])
        }
    }

    @Test func allThatIsMissingIsToldAtOnce() throws {
        func refusal(_ options: BuildOptions) -> LianError? {
            var builder = RequestBuilder(options: options, environment: [:], workingFolder: WorkingFolder("/"))
            return #expect(throws: LianError.self) { try builder.build(directives: nil) }
        }
        var options = BuildOptions()
        #expect(
            refusal(options)?.message
                == "these are missing: --workspace (the workspace's name), --context (the folder to build), "
                + "--image (registry host, repository and tag), --ssh-key (a private key file, or 'ephemeral')")
        options.workspace = .init("acme", as: "--workspace")
        options.context = .init("/", as: "--context")
        options.sshKey = .init("ephemeral", as: "--ssh-key")
        #expect(refusal(options)?.message == "this is missing: --image (registry host, repository and tag)")
        options.directives = "ci.ncl"
        options.sshKey = .init("", as: "--ssh-key")
        #expect(refusal(options)?.message == "this is missing: --ssh-key (a private key file, or 'ephemeral')")
    }

    @Test(arguments: [
        (["--workspace", "Not a slug"], "--workspace must be words of a-z and 0-9"),
        (["--image", "app"], "--image must be REGISTRY/NAME:TAG"),
        (["--image", "reg.example/app"], "--image must be REGISTRY/NAME:TAG"),
        (["--tag", "reg.example/app"], "--tag must be REGISTRY/NAME:TAG"),
        (["--dockerfile", "../D"], "--dockerfile must be a path inside the context"),
        (["--dockerfile", "/D"], "--dockerfile must be a path inside the context"),
        (["--target", "-x"], "--target must be a stage's name"),
        (["--platforms", "linux/amd64,"], "--platforms must be OS/ARCH"),
        (["--platforms", "amd64"], "--platforms must be OS/ARCH"),
        (["--build-arg", "A-B=1"], "--build-arg must be a variable's name"),
        (["--label", "a b=1"], "--label must be a label's name"),
        (["--build-context", "X=."], "--build-context must be a context's name"),
        (["--build-context", "x=https://a"], "--build-context must be the path of a folder"),
        (["--build-context", "x=docker-image://busybox"], "--build-context must be the path of a folder"),
        (["--attest", "sbom=1"], "--attest must be sbom, provenance"),
        (["--attest", "provenance=most"], "--attest must be sbom, provenance"),
        (["--actor", "Ada"], "--actor must be words of a-z and 0-9"),
        (["--language", ""], "--language must be one line of text"),
        (["--insecure-registry", "http://host:5000"], "--insecure-registry must be HOST or HOST:PORT"),
        (["--orchestrator-url", "localhost:9011"], "--orchestrator-url must start with http:// or https://"),
        (["--nats-url", "http://a"], "--nats-url must be nats://HOST[:PORT]"),
        (["--nats-subject-prefix", "a..b", "--nats-url", "nats://a"], "--nats-subject-prefix must be words"),
        (["--cache-from", "reg.example/x"], "--cache-from must be REGISTRY/NAME with a tag"),
        (["--annotation", "other:a=b"], "--annotation must be an annotation's name"),
        (["--annotation", "a=\u{0}"], "--annotation a must be a string without NUL"),
        (["--no-cache-filter", "a,"], "--no-cache-filter must be a stage's name"),
        (["--add-host", "db"], "--add-host must be HOST:IP, not 'db'"),
        (["--add-host", "-a:10.0.0.7"], "--add-host must be a host's name"),
        (["--add-host", "db:10.0.0"], "--add-host db must be an IPv4 or IPv6 address"),
        (["--add-host", "db:10.0.0.7", "--add-host", "db=10.0.0.8"], "--add-host gives 'db' twice"),
        (["--ulimit", "nofile=2:1"], "--ulimit must be TYPE=SOFT or TYPE=SOFT:HARD, like nofile=1024:2048"),
        (["--shm-size", "64 MB"], "--shm-size must be a size, like 64m"),
        (["--allow", "all"], "--allow must be network.host"),
        (["--compression-level", "3"], "--compression-level needs the compression whose level it is"),
        (["--compression", "gzip", "--compression-level", "10"], "--compression-level is at most 9 with gzip"),
    ])
    func valuesThatBreakARule(flags: [String], start: String) async throws {
        try await withRequestFixture { fixture in
            let error = fixture.refusal(flags)
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.hasPrefix(start) == true, "\(error?.message ?? "accepted")")
            #expect(error?.hint.isEmpty == false)
        }
    }

    @Test func aRunnerHasNoHostGateway() async throws {
        try await withRequestFixture { fixture in
            let error = fixture.refusal(["--add-host", "db:host-gateway"])
            #expect(error?.code == .engineUnsupported)
            #expect(error?.message == "--add-host db: a runner has no host-gateway")
        }
    }

    @Test(arguments: ["nats://user:hunter22@h", "tls://hunter22@h"])
    func aPasswordInAURLIsNotRepeated(url: String) async throws {
        try await withRequestFixture { fixture in
            for flags in [["--nats-url", url], ["--orchestrator-url", url.replacing("nats", with: "http")]] {
                let error = try #require(fixture.refusal(flags))
                #expect(!"\(error)".contains("hunter22"))
            }
        }
    }

    @Test func contextsAreFolders() async throws {
        try await withRequestFixture { fixture in
            for (flags, start) in [
                (["--context", "none"], "--context: there is no folder"),
                (["--context", "app/Dockerfile"], "--context: "),
                (["--build-context", "x=none"], "--build-context x: there is no folder"),
            ] {
                let error = fixture.refusal(flags)
                #expect(error?.code == .contextUnreadable)
                #expect(error?.message.hasPrefix(start) == true)
            }
        }
    }

    @Test func contextsOfDirectivesStayInTheirFolder() async throws {
        try await withRequestFixture { fixture in
            let files = FileManager.default
            try files.createDirectory(
                atPath: "\(fixture.folder)/inner/sub", withIntermediateDirectories: true)
            try files.createSymbolicLink(
                atPath: "\(fixture.folder)/inner/link", withDestinationPath: "\(fixture.folder)/app")
            try files.createSymbolicLink(atPath: "\(fixture.folder)/inner/near", withDestinationPath: "sub")
            let inner = RequestFixture(folder: "\(fixture.folder)/inner")
            for path in ["../app", "link", "sub/../../app"] {
                let error = inner.refusal(directives: directives(["context": .string(path)]))
                #expect(error?.code == .directivesInvalid)
                #expect(error?.message.contains("leads out of the file's folder") == true)
                let extra = inner.refusal(
                    directives: directives(["context": ".", "extra_contexts": ["x": .string(path)]]))
                #expect(extra?.code == .directivesInvalid)
                #expect(extra?.message.contains("extra_contexts.x") == true)
            }
            let outside = try inner.artifact(
                directives: directives(["context": .string("\(fixture.folder)/app")]))
            #expect(outside.context == .folder("\(fixture.folder)/app"))
            let near = try inner.artifact(directives: directives(["context": "near"]))
            #expect(near.context.folder?.hasSuffix("/inner/sub") == true)
            #expect(inner.refusal(directives: directives(["context": "none"]))?.code == .contextUnreadable)
        }
    }

    @Test func pathsOfDirectivesStartAtTheirFile() async throws {
        try await withRequestFixture { fixture in
            let document = directives(
                ["secrets": [["id": "s", "ref": ["via": "file", "path": "s.txt"]]]],
                whole: [
                    "registry": [
                        "provider": "harbor", "endpoint": "reg.example",
                        "credential": ["via": "file", "path": "/abs", "username": "u"],
                    ],
                    "nats": ["url": "nats://a", "nkey": ["via": "file", "path": "n"]],
                ])
            // Flags keep to the working folder.
            let loaded = LoadedDirectives(
                directives: try BuildDirectives(JSONNode(document)), file: "\(fixture.folder)/ci.json")
            var options = BuildOptions()
            options.sshKey = .init("key", as: "--ssh-key")
            options.secrets = ["id=t,src=t.txt"]
            var builder = RequestBuilder(options: options, environment: [:], workingFolder: WorkingFolder("/elsewhere"))
            let request = try builder.build(directives: loaded)
            #expect(
                request.artifacts[0].secrets == [
                    SecretRequest(id: "s", source: .file("\(fixture.folder)/s.txt")),
                    SecretRequest(id: "t", source: .file("/elsewhere/t.txt")),
                ])
            #expect(request.registry.credential == RegistryCredential(source: .file("/abs"), username: "u"))
            #expect(request.registry.isHarbor)
            #expect(request.events?.seed == .at(.file("\(fixture.folder)/n")))
            #expect(request.sshKey == "/elsewhere/key")
        }
    }

    /// The login of the one would go in clear because the other one is allowed to.
    @Test(arguments: [
        (["--insecure-registry", "reg.example"], "reg.example", "other.example"),
        (["--insecure-registry", "other.example"], "other.example", "reg.example"),
    ])
    func oneImageIsPushedInOneWay(flags: [String], insecure: String, secure: String) async throws {
        try await withRequestFixture { fixture in
            let names = ["--image", "reg.example/team/app:1", "--tag", "other.example/team/app:1"]
            let error = fixture.refusal(names + flags)
            #expect(error?.code == .invalidArgument)
            #expect(
                error?.message
                    == "app has names on \(insecure), which may speak plain HTTP, and on \(secure), which may not: an "
                    + "engine pushes both in the same way")
            for fine in [
                names, names + ["--no-push"] + flags, Array(names.prefix(2)) + flags,
                names + ["--insecure-registry", "reg.example", "--insecure-registry", "other.example"],
            ] {
                #expect(fixture.refusal(fine) == nil, "\(fine)")
            }
        }
    }

    @Test func insecureRegistriesAddUp() async throws {
        try await withRequestFixture { fixture in
            let registry: JSONValue = ["provider": "generic", "endpoint": "reg.example", "insecure": true]
            let request = try fixture.build(
                ["--insecure-registry", "localhost"], directives: directives(whole: ["registry": registry]))
            #expect(request.registry.insecureHosts == ["reg.example", "localhost"])
            #expect(!request.registry.isHarbor)
        }
    }

    @Test(arguments: [
        ("nats://a", "nats://a:4222", true), ("nats://user:word@A", "nats://a/", true),
        ("tls://a:1", "tls://a:1", true),
        ("nats://a", "nats://b", false), ("nats://a", "nats://a:4223", false), ("tls://a", "nats://a", false),
        ("nonsense", "nats://a", false), (nil, "nats://a", false),
    ])
    func whoseKeySignsWhere(named: String?, written: String, isUsed: Bool) async throws {
        try await withRequestFixture { fixture in
            let flags = named.map { ["--nats-url", $0] } ?? []
            for (more, environment) in [
                ([], ["NATS_NKEY_SEED": "SUSEED"]), (["--nats-nkey-seed", "@/s"], [:]),
            ] as [([String], [String: String])] {
                let request = try fixture.build(
                    flags + more, directives: directives(whole: ["nats": ["url": .string(written)]]),
                    environment: environment)
                #expect((request.events?.seed != nil) == isUsed)
                let told = request.warnings(.natsKeyWithheld)
                #expect(told.count == (isUsed ? 0 : 1))
                #expect(isUsed || told[0].contains(more.first ?? "NATS_NKEY_SEED"))
                #expect(!told.contains { $0.contains("SUSEED") || $0.contains("word") })
                // What the caller has nobody sign with cannot be withheld.
                let keyless = try fixture.build(
                    flags, directives: directives(whole: ["nats": ["url": .string(written)]]))
                #expect(keyless.warnings(.natsKeyWithheld) == [])
            }
        }
    }

    /// Two artifacts, as further fields of directives.
    private func two(_ first: [String: JSONValue] = [:], _ second: [String: JSONValue] = [:]) -> [String: JSONValue] {
        let api: [String: JSONValue] = ["name": "api", "context": "app", "image": "reg.example/acme/api:1"]
        let web: [String: JSONValue] = ["name": "web", "context": "app", "image": "reg.example/acme/web:1"]
        return ["artifacts": .array([.object(api.merging(first) { $1 }), .object(web.merging(second) { $1 })])]
    }

    @Test func severalArtifactsWriteNoOneCache() async throws {
        try await withRequestFixture { fixture in
            for more in [[], ["--dry-run"]] {
                let error = fixture.refusal(
                    ["--cache-to", "reg.example/acme/cache:1"] + more, directives: directives(whole: two()))
                #expect(error?.code == .invalidArgument && error?.hint.isEmpty == false)
                #expect(error?.message.hasPrefix("--cache-to ") == true)
                #expect(error?.message.contains("'api' and 'web'") == true)
            }
            // A session that writes nothing overwrites nothing.
            let session: JSONValue = ["kind": "session", "actor": ["id": "ada", "kind": "human"]]
            let discarding = try fixture.build(
                ["--cache-to", "reg.example/acme/cache:1"],
                directives: directives(
                    whole: two().merging(["cache": ["mode": session, "disposition": "discard"]]) { $1 }))
            #expect(discarding.artifacts.allSatisfy { $0.cacheTo.isEmpty })
            let reading = try fixture.build(
                ["--cache-from", "reg.example/acme/cache:1"], directives: directives(whole: two()))
            #expect(reading.artifacts.allSatisfy { $0.cacheFrom == ["reg.example/acme/cache:1"] })
        }
    }

    @Test func imagesThatOverwriteEachOtherAreTold() async throws {
        try await withRequestFixture { fixture in
            let all: JSONValue = "reg.example/acme/all:1"
            let sharing = two(["tags": [all, "reg.example/acme/api:1"]], ["image": all])
            let shared = try fixture.build(directives: directives(whole: sharing))
            #expect(
                shared.warnings(.imageOverwritten) == [
                    "'api' and 'web' are all pushed as reg.example/acme/all:1: only the last of them stays there"
                ])
            let apart = try fixture.build(directives: directives(whole: two()))
            #expect(apart.warnings(.imageOverwritten) == [])
        }
    }

    @Test func anotherOrchestratorIsNotTrusted() async throws {
        let document = directives(whole: [
            "compute": ["provider": "local", "orchestrator_url": "https://b.example/api"]
        ])
        try await withRequestFixture { fixture in
            for (flags, environment) in [
                ([], [:]), (["--orchestrator-url", "https://b.example:444"], [:]),
                (["--orchestrator-url", "http://b.example:443"], [:]), ([], ["ORCHESTRATOR_URL": "https://c.example"]),
            ] as [([String], [String: String])] {
                let error = fixture.refusal(flags, directives: document, environment: environment)
                #expect(error?.code == .orchestratorNotTrusted)
            }
            for (flags, environment) in [
                (["--orchestrator-url", "https://b.example"], [:]),
                ([], ["ORCHESTRATOR_URL": "https://b.example:443/"]),
            ] as [([String], [String: String])] {
                let request = try fixture.build(flags, directives: document, environment: environment)
                #expect(request.orchestrator.url == (try HTTPURL("https://b.example/api")))
            }
        }
    }

    @Test func whoseTokenGoesWhere() async throws {
        try await withRequestFixture { fixture in
            let state = "\(fixture.folder)/lian-orchestrator"
            try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
            try "local-token\n".write(toFile: "\(state)/token", atomically: true, encoding: .utf8)
            let local = ["XDG_STATE_HOME": fixture.folder]
            let own = local.merging(["ORCHESTRATOR_TOKEN": "own-token"]) { $1 }
            func orchestrator(_ url: String?, _ environment: [String: String]) throws -> BuildRequest {
                try fixture.build(url.map { ["--orchestrator-url", $0] } ?? [], environment: environment)
            }
            #expect(try orchestrator(nil, local).orchestrator.token == "local-token")
            #expect(try orchestrator("http://127.0.0.1:1", local).orchestrator.token == "local-token")
            #expect(try orchestrator("http://[::1]:1", local).orchestrator.token == "local-token")
            #expect(try orchestrator("https://o.example", local).orchestrator.token == nil)
            #expect(try orchestrator(nil, [:]).orchestrator.token == nil)
            #expect(try orchestrator(nil, own).orchestrator.token == "own-token")
            #expect(
                try orchestrator(nil, local.merging(["ORCHESTRATOR_TOKEN": ""]) { $1 }).orchestrator.token
                    == "local-token")
            #expect(try orchestrator("https://o.example", own).orchestrator.token == "own-token")
            #expect(try orchestrator("https://o.example", own).warnings.isEmpty)
            let clear = try orchestrator("http://o.example", own)
            #expect(clear.warnings.map(\.code) == [.tokenInClear])
            #expect(!clear.warnings[0].message.contains("own-token"))
            #expect(try orchestrator("http://o.example", local).warnings.isEmpty)
        }
    }

    @Test(arguments: [
        (["--cache-from", "reg.example/team/dev/ada-acme/app:cache"], "CI never imports"),
        (["--cache-to", "reg.example/team/dev/ada-acme/app:cache"], "CI never writes"),
        (["--cache-from", "other.example/x/dev/y:1"], "CI never imports"),
        (["--actor", "ada", "--cache-from", "reg.example/team/dev/bob-acme/app:cache"], "no dev/ cache but its own"),
        (["--actor", "ada", "--cache-to", "reg.example/team/ci/acme/app:cache"], "only to its own cache"),
    ])
    func cachesThatMayNotBeUsed(flags: [String], reason: String) async throws {
        try await withRequestFixture { fixture in
            let error = fixture.refusal(flags)
            #expect(error?.code == .cacheForbidden)
            #expect(error?.message.contains(reason) == true)
        }
    }

    @Test func cachesByHandReplaceTheirSideAlone() async throws {
        try await withRequestFixture { fixture in
            let from = try fixture.artifact(["--cache-from", "reg.example/a:1", "--cache-from", "reg.example/b:1"])
            #expect(from.cacheFrom == ["reg.example/a:1", "reg.example/b:1"])
            #expect(from.cacheTo == ["reg.example/team/ci/acme/app:cache"])
            let own = "reg.example/team/dev/ada-acme/other:cache"
            let session = try fixture.artifact(["--actor", "ada", "--cache-to", own])
            #expect(session.cacheTo.map(\.description) == [own])
            let discard: JSONValue = [
                "mode": ["kind": "session", "actor": ["id": "ada", "kind": "human"]], "disposition": "discard",
            ]
            let artifact = try fixture.artifact(
                ["--cache-to", "reg.example/acme/dev/ada-acme/app:cache"],
                directives: directives(whole: ["cache": discard]))
            #expect(artifact.cacheTo.isEmpty)
            #expect(artifact.cacheFrom.count == 2)
        }
    }

    @Test func anEmptyListIsTheSameAsNone() async throws {
        try await withRequestFixture { fixture in
            for mode: JSONValue in [
                ["kind": "ci"], ["kind": "session", "actor": ["id": "ada", "kind": "human"]],
            ] {
                let bare = try fixture.artifact(directives: directives(whole: ["cache": ["mode": mode]]))
                let empty: JSONValue = ["mode": mode, "import": [], "export": []]
                let artifact = try fixture.artifact(directives: directives(whole: ["cache": empty]))
                #expect(artifact.cacheFrom == bare.cacheFrom && !bare.cacheFrom.isEmpty)
                #expect(artifact.cacheTo == bare.cacheTo && !bare.cacheTo.isEmpty)
                let flags = ["--cache-from", "reg.example/x:1", "--cache-to", bare.cacheTo[0].description]
                let given = try fixture.artifact(flags, directives: directives(whole: ["cache": empty]))
                #expect(given.cacheFrom == ["reg.example/x:1"])
            }
            let arm = try fixture.artifact(["--platforms", "linux/arm64"], directives: directives(["platforms": []]))
            #expect(arm.platforms == ["linux/arm64"])
        }
    }

    @Test func buildArgumentsWithoutAValueAreTheEnvironments() async throws {
        try await withRequestFixture { fixture in
            let request = try fixture.build(
                ["--build-arg", "A", "--build-arg", "B=", "--build-arg", "C"], environment: ["A": "from-env"])
            #expect(request.artifacts[0].buildArguments == ["A": "from-env", "B": ""])
            #expect(
                request.warnings == [
                    BuildWarning(
                        .buildArgUnset, "--build-arg C is left out: the environment has no variable C")
                ])
        }
    }

    @Test(arguments: [
        ("id=a,src=f", SecretSource.file("f")), ("id=a,source=/f", .file("/f")), ("id=a,env=V", .environment("V")),
        ("id=a,type=env,env=V", .environment("V")), ("id=SET", .environment("SET")), ("id=f", .file("f")),
        ("id=SET,type=file", .file("SET")), ("type=file,src=f,id=a", .file("f")),
    ])
    func formsOfASecret(text: String, source: SecretSource) async throws {
        try await withRequestFixture { fixture in
            let secret = try fixture.artifact(["--secret", text], environment: ["SET": "x"]).secrets[0]
            if case .file(let path) = source, !path.hasPrefix("/") {
                #expect(secret.source == .file("\(fixture.folder)/\(path)"))
            } else {
                #expect(secret.source == source)
            }
        }
    }

    @Test(arguments: [
        "hunter22", "id=hunter22=", "id=a,value=hunter22", "id=a,src=hunter22,env=V", "id=a,src=", "id=", "",
        "id=a,id=hunter22", "id=hunter 22", "id=a,type=hunter22", "id=a,src=x,source=y",
    ])
    func secretsThatAreNone(text: String) async throws {
        try await withRequestFixture { fixture in
            let error = try #require(fixture.refusal(["--secret=\(text)"]))
            #expect(error.code == .invalidArgument)
            #expect(!"\(error)".contains("hunter"))
        }
    }

    @Test func aSecretsMistakenKeyIsNamed() async throws {
        try await withRequestFixture { fixture in
            let error = fixture.refusal(["--secret=id=a,file=hunter22"])
            #expect(error?.message == "--secret has no 'file': write id=ID,src=PATH or id=ID,env=NAME")
        }
    }

    @Test func aSecretsIDIsItsOwn() async throws {
        try await withRequestFixture { fixture in
            let error = fixture.refusal(["--secret", "id=a,env=A", "--secret", "id=a,env=B"])
            #expect(error?.message == "--secret gives the id 'a' twice")
        }
    }

    @Test func formsOfAnAgent() async throws {
        try await withRequestFixture { fixture in
            let listener = try listenOnUnixSocket(path: "\(fixture.folder)/socket")
            defer { withExtendedLifetime(listener) {} }
            let artifact = try fixture.artifact(
                ["--ssh", "default", "--ssh", "a=socket", "--ssh", "b=/keys/id=1", "--ssh=c_d.e=app/../key"])
            let expected: [(String, SSHForward.Place)] = [
                ("default", .environment), ("a", .socket("\(fixture.folder)/socket")), ("b", .key("/keys/id=1")),
                ("c_d.e", .key("\(fixture.folder)/key")),
            ]
            #expect(artifact.agents == expected.map { SSHForward(id: $0.0, place: $0.1) })
        }
    }

    @Test(arguments: [
        (["--ssh", "a b"], "--ssh must be an SSH agent's id: letters, digits"),
        (["--ssh", "=key"], "--ssh must be an SSH agent's id: letters, digits"),
        (["--ssh", "default="], "--ssh default= names no agent's socket and no private key's file"),
        (["--ssh", "default=a,b"], "--ssh default takes one socket or key; each further one needs an id of its own"),
        (["--ssh", "a", "--ssh", "a=key"], "--ssh gives the id 'a' twice"),
    ])
    func agentsThatAreNone(flags: [String], message: String) async throws {
        try await withRequestFixture { fixture in
            let error = try #require(fixture.refusal(flags))
            #expect(error.code == .invalidArgument && error.message.hasPrefix(message), "\(error)")
        }
    }

    /// Before anything is spawned.
    @Test func agentsThatCannotWork() async throws {
        try await withRequestFixture { fixture in
            let cases: [(String, [String: String], ErrorCode, String)] = [
                ("default", [:], .credentialMissing, "--ssh default is the agent at SSH_AUTH_SOCK, which is not set"),
                ("a", ["SSH_AUTH_SOCK": "/none"], .sshKeyUnusable, "the SSH agent at /none does not work"),
                ("a=none", [:], .sshKeyUnusable, "there is no SSH key at \(fixture.folder)/none"),
                ("a=app", [:], .sshKeyUnusable, "\(fixture.folder)/app is a folder, not an SSH key"),
            ]
            for (flag, environment, code, message) in cases {
                let request = try fixture.build(["--ssh", flag])
                let error = await #expect(throws: LianError.self) {
                    try await BuildSecrets.read(request, environment: environment, http: try HTTPClient())
                }
                #expect(error?.code == code)
                #expect(error?.message.hasPrefix(message) == true, "\(String(describing: error))")
            }
        }
    }

    @Test(
        arguments: [
            ("sbom", true, nil), ("provenance", false, ""), ("provenance=max", false, "max"),
            ("provenance=mode=min", false, "min"), ("type=provenance,mode=max", false, "max"), ("type=sbom", true, nil),
        ] as [(String, Bool, String?)])
    func formsOfAnAttestation(text: String, sbom: Bool, provenance: String?) async throws {
        try await withRequestFixture { fixture in
            let artifact = try fixture.artifact(["--attest", text])
            #expect((artifact.sbom, artifact.provenance) == (sbom, provenance))
        }
    }

    @Test func seedsInSight() async throws {
        try await withRequestFixture { fixture in
            let shown = try fixture.build(["--nats-url", "nats://a", "--nats-nkey-seed", "SUSEED"])
            #expect(shown.warnings.map(\.code) == [.seedOnCommandLine])
            #expect(!shown.warnings[0].message.contains("SUSEED"))
            #expect(shown.events?.seed == .value("SUSEED"))
            let file = try fixture.build(["--nats-url", "nats://a", "--nats-nkey-seed", "@s", "--nats-ca", "ca"])
            #expect(file.warnings.isEmpty)
            #expect(file.events?.seed == .at(.file("\(fixture.folder)/s")))
            #expect(file.events?.caFile == "\(fixture.folder)/ca")
            let variable = try fixture.build(environment: ["NATS_URL": "nats://a", "NATS_NKEY_SEED": "SUSEED"])
            #expect(variable.warnings.isEmpty)
        }
    }
}
