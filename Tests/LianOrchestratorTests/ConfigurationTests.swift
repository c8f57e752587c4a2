import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The configuration, as whoever runs an orchestrator for a team meets it.
@Suite struct ConfigurationTests {
    private static let order: JSONValue = [
        "workspace": "acme", "build_id": "b-1", "attempt": 1, "size": ["cpu": 1, "memory_mb": 512],
        "time_budget_minutes": 10, "lease_seconds": 600,
        "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpzUbH0nuZFfWWFnIMrFSIVwDfmDOiNF1zBzNnOb6kT",
    ]

    private func orchestrate(
        _ arguments: [String], input: String = "", in folder: URL? = nil
    ) async throws -> SubprocessResult {
        try await run(
            Command(
                Project.executable("lian-orchestrator"), arguments, environment: ProcessInfo.processInfo.environment,
                workingDirectory: folder?.path), input: .bytes(Array(input.utf8)), deadline: .seconds(120))
    }

    func token(
        _ name: String, _ secret: String, _ role: String, workspaces: [String] = ["acme"], layers: [String] = ["ci"],
        _ further: [String: JSONValue] = [:]
    ) -> JSONValue {
        let members: [String: JSONValue] = [
            "name": .string(name), "hash": .string("\(TokenHash(of: secret.utf8))"), "workspaces": workspaces.json,
            "layers": layers.json, "role": .string(role),
        ]
        return .object(members.merging(further) { $1 })
    }

    @Test func aFlagBeatsTheFileAndThatTheDefault() throws {
        let file = try OrchestratorConfig(
            JSONNode([
                "listen": "127.0.0.1:0", "state": "s", "capacity": 8, "on_stop": "keep", "log": "text",
                "token_file": "/run/token", "history_days": 30, "public_url": "https://runners.example",
                "providers": [["kind": "docker-local", "name": "here", "capacity": 6]],
                "volumes": ["kind": "exclusive", "each_gb": 5, "all_gb": 9, "days": 3, "file_gb": 7],
                "nats": ["url": "nats://127.0.0.1", "nkey": ["via": "file", "path": "nkey"]],
            ]))
        let read = try Options(["--config", "/etc/x.json"], configuredBy: file, in: "/etc")
        var expected = Options()
        expected.config = "/etc/x.json"
        expected.listen.port = 0
        expected.state = "/etc/s"
        expected.publicURL = "https://runners.example"
        expected.tokenFile = "/run/token"
        expected.providers = [ProviderPlan(name: "here", .here(.docker), capacity: 6)]
        expected.capacity = 6
        expected.onStop = .keep
        expected.volumes = .exclusive
        (expected.volumeGB, expected.volumesGB, expected.volumeDays, expected.volumesFileGB) = (5, 9, 3, 7)
        expected.historyDays = 30
        expected.log = .text
        expected.events = EventsPlan(
            try NatsEventConfig(
                JSONNode(["url": "nats://127.0.0.1", "nkey": ["via": "file", "path": "/etc/nkey"]])), in: "/")
        #expect(read == expected)

        let flags = try Options(
            [
                "--config", "x", "--listen", "[::1]:7", "--state", "t", "--capacity", "2", "--on-stop", "destroy",
                "--log", "json", "--token-file", "u", "--history-days", "1", "--engine", "buildkit", "--volumes",
                "none",
                "--volume-gb", "1", "--volumes-gb", "2", "--volume-days", "3", "--volumes-file-gb", "4",
            ], configuredBy: file, in: "/etc")
        #expect(flags.listen.text == "[::1]:7" && flags.state == "t" && flags.tokenFile == "u")
        #expect(flags.capacity == 2 && flags.onStop == .destroy && flags.log == .json && flags.historyDays == 1)
        #expect(flags.providers.map(\.machines) == [.here(.buildkit)] && flags.volumes == VolumesChoice.none)
        #expect([flags.volumeGB, flags.volumesGB, flags.volumeDays, flags.volumesFileGB] == [1, 2, 3, 4])
    }

    @Test func theExampleIsGoodAndTold() async throws {
        let example = Project.root.appending(path: "examples/orchestrator.ncl").path
        let check = try await orchestrate(["--config", example, "--check", "--state", "/tmp/none"])
        #expect(check.termination == .exited(0), "\(check.errorText)")
        for line in [
            "listens at     127.0.0.1:9011", "16 runners at once", "TLS            none: HTTP is plain",
            "token          ci: build, workspaces acme acme-*, layers ci, 12 runners",
            "token          pull-requests: build, workspaces acme, layers dev, 4 runners, until 2030-12-31T23:59:59.000Z",
            "token          prometheus: read, workspaces *", "history        90 days",
        ] {
            #expect(check.outputText.contains(line), "\(check.outputText)")
        }
        // It looks, and makes nothing.
        #expect(fileKind("/tmp/none") == nil)
    }

    @Test func whatIsWrongIsNamedWithItsPlace() async throws {
        try await withTemporaryFolder { folder in
            for (name, text, says) in [
                ("a.json", #"{"tokens": [{"name": "ci"}]}"#, "a.json: tokens[0].hash: is required"),
                ("b.json", #"{"capacity": "4"}"#, #"b.json: capacity: must be a number, found "4""#),
                ("c.json", "{", "c.json is not JSON"),
                ("d.ncl", "{ capacity = 0 }", "capacity: must be a whole number from 1 to 10000"),
                ("e.ncl", "{ capacity = ", "nickel refused"),
                ("f.yml", "capacity: 4", "its name ends neither in .ncl nor in .json"),
                (
                    "g.json", #"{"providers": [{"kind": "local"}, {"kind": "local", "name": "local"}]}"#,
                    "providers: must differ in their names"
                ),
            ] {
                try text.write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
                for action in [["--check"], []] {
                    let answer = try await orchestrate(["--config", name] + action, in: folder)
                    #expect(answer.termination == .exited(2), "\(name)")
                    #expect(answer.errorText.contains(says) && answer.outputText.isEmpty, "\(answer.errorText)")
                    #expect(answer.errorText.hasPrefix("error: ") && answer.errorText.contains("\nhint: "))
                }
            }
            let missing = try await orchestrate(["--config", "none.ncl", "--check"], in: folder)
            #expect(missing.termination == .exited(2) && missing.errorText.contains("there is no such file"))
            // A token in the place of its hash is not repeated.
            try #"{"tokens": [{"name": "ci", "hash": "hunter2", "workspaces": ["a"], "layers": [], "role": "read"}]}"#
                .write(to: folder.appending(path: "h.json"), atomically: true, encoding: .utf8)
            let slip = try await orchestrate(["--config", "h.json", "--check"], in: folder)
            #expect(slip.errorText.contains("tokens[0].hash: must be sha256:") && !slip.errorText.contains("hunter2"))
        }
    }

    /// Where a start would fail, a check fails too, and makes nothing.
    @Test func aCheckSeesWhatAStartWould() async throws {
        try await withShortTemporaryFolder { folder in
            let state = folder.appending(path: "deep/state").path
            try "of the test\n".write(to: folder.appending(path: "bad"), atomically: true, encoding: .utf8)
            try "of-the-test\n".write(to: folder.appending(path: "good"), atomically: true, encoding: .utf8)
            for (arguments, status, says) in [
                (["--state", state, "--token-file", "good"], 0, "one that may everything, of good"),
                (["--state", state, "--token-file", "none"], 2, "the token file none cannot be read"),
                (["--state", state, "--token-file", "bad"], 2, "the token of bad cannot be used"),
                (["--state", "/proc/x/y"], 2, "the state folder cannot be made: mkdir /proc/x"),
                (["--state", folder.appending(path: "bad").path], 2, "the state folder is not a folder"),
            ] as [([String], Int32, String)] {
                let check = try await orchestrate(["--check"] + arguments, in: folder)
                #expect(check.termination == .exited(status), "\(arguments): \(check.outputText)")
                #expect(check.outputText.contains(says), "\(check.outputText)")
            }
            #expect(fileKind(folder.appending(path: "deep").path) == nil)
        }
    }

    @Test func anExpiredTokenIsCalledSo() async throws {
        try await withTemporaryFolder { folder in
            let document: JSONValue = [
                "state": "state", "tokens": [token("old", "of-old", "admin", ["expires": "2020-01-01T00:00:00Z"])],
            ]
            try document.encoded().write(
                to: folder.appending(path: "c.json"), atomically: true, encoding: .utf8)
            let check = try await orchestrate(["--config", "c.json", "--check"], in: folder)
            #expect(check.outputText.contains(", expired 2020-01-01T00:00:00.000Z"), "\(check.outputText)")
        }
    }

    @Test func aNewTokenAndItsHashBelongTogether() async throws {
        let made = try await orchestrate(["--new-token"])
        let words = made.outputText.split(whereSeparator: \.isWhitespace).map(String.init)
        try #require(words.count == 4 && words[0] == "token" && words[2] == "hash")
        #expect(words[1].count == 64 && TokenHash(words[3]) == TokenHash(of: words[1].utf8))
        for ending in ["\n", "", "\r\n"] where ending != "\r\n" {
            let hashed = try await orchestrate(["--hash-token"], input: words[1] + ending)
            #expect(hashed.outputText == words[3] + "\n" && hashed.termination == .exited(0))
        }
        for wrong in ["", "\n", "a b\n", "ä\n"] {
            let refused = try await orchestrate(["--hash-token"], input: wrong)
            #expect(refused.termination == .exited(2) && refused.outputText.isEmpty, "\(wrong)")
        }
    }

    /// What each of several tokens is answered by the real program, with what stands in its log.
    @Test func severalTokensOpenWhatEachMay() async throws {
        try await withTemporaryFolder { folder in
            let config = folder.appending(path: "c.json")
            let document: JSONValue = [
                "tokens": [
                    token("admin", "token-of-the-test", "admin", workspaces: ["none"]),
                    token("ci", "of-ci", "build", ["max_runners": 1]),
                    token("pr", "of-pr", "build", layers: ["dev"]),
                    token("other", "of-other", "build", workspaces: ["other"]), token("viewer", "of-viewer", "read"),
                    token("old", "of-old", "admin", ["expires": "2020-01-01T00:00:00Z"]),
                ]
            ]
            try document.encoded().write(to: config, atomically: true, encoding: .utf8)
            try await withOrchestrator(flags: ["--config", config.path]) { orchestrator in
                func ask(
                    _ secret: String, _ method: String, _ path: String, key: String = "key-of-a-test",
                    _ body: JSONValue? = nil
                ) async throws -> PlainHTTPResponse {
                    try await orchestrator.request(
                        method, path, headers: ["Authorization": "Bearer \(secret)", "Idempotency-Key": key],
                        body: body)
                }
                func order(_ volume: JSONValue) -> JSONValue {
                    .object((Self.order.objectValue ?? [:]).merging(["volume": volume]) { $1 })
                }
                let spawned = try await ask("of-ci", "POST", "/api/v1/runners", Self.order)
                let id = try #require(spawned.json["data"]?["runner_id"]?.stringValue)
                let runner = "/api/v1/runners/\(id)"
                for (secret, method, path, key, body, status, code) in [
                    ("of-ci", "POST", "/api/v1/runners", "another-key", Self.order, 429, "quota"),
                    ("of-other", "POST", "/api/v1/runners", "another-key", Self.order, 403, "forbidden"),
                    ("of-viewer", "POST", "/api/v1/runners", "another-key", Self.order, 403, "forbidden"),
                    (
                        "of-pr", "POST", "/api/v1/runners", "another-key",
                        order(["from": [], "to": "ci/acme/app"]), 403, "forbidden"
                    ),
                    ("of-other", "GET", runner, "", nil, 404, "not_found"),
                    ("of-other", "DELETE", runner, "", nil, 404, "not_found"),
                    ("of-viewer", "DELETE", runner, "", nil, 403, "forbidden"),
                    ("of-ci", "GET", "/api/v1/runners", "", nil, 403, "forbidden"),
                    ("of-other", "GET", "/api/v1/workspaces/acme/p95", "", nil, 403, "forbidden"),
                    ("of-ci", "DELETE", "/api/v1/volumes/ci%2Facme%2Fapp", "", nil, 403, "forbidden"),
                    ("of-nobody", "GET", runner, "", nil, 401, "unauthorized"),
                    ("of-old", "GET", runner, "", nil, 401, "unauthorized"),
                ] as [(String, String, String, String, JSONValue?, Int, String)] {
                    let answer = try await ask(secret, method, path, key: key, body)
                    #expect(answer.status == status, "\(secret) \(method) \(path)")
                    #expect(answer.json["error"]?["code"]?.stringValue == code, "\(secret) \(method) \(path)")
                }
                #expect(try await ask("of-old", "GET", runner).json.encoded().contains("has expired"))
                let listed = try await ask("of-viewer", "GET", "/api/v1/runners")
                #expect(listed.json["data"]?.arrayValue?.count == 1)
                #expect(try await ask("of-ci", "DELETE", runner).status == 200)

                let log = orchestrator.log
                for line in [
                    #""event":"spawn""#, #""event":"destroy""#, #""code":"quota""#, #""code":"forbidden""#,
                    #""code":"unauthorized""#, #""token":"pr""#, #""token_unused""#,
                ] {
                    #expect(log.contains(line), "\(line) is not in \(log)")
                }
                #expect(!["of-ci", "of-pr", "of-other", "of-nobody", "of-old"].contains { log.contains("\"\($0)") })
                #expect(!log.contains("token-of-the-test"))

                // Who goes on failing fills no disk by it.
                for _ in 0..<20 { _ = try await ask("of-nobody", "GET", runner) }
                #expect(orchestrator.log.components(separatedBy: #""code":"unauthorized""#).count - 1 == 10)
            }
        }
    }

    /// SIGHUP reads tokens and caps again; runners stay, and what is not good changes nothing.
    @Test func theConfigurationIsReadAgain() async throws {
        try await withTemporaryFolder { folder in
            let config = folder.appending(path: "c.json")
            func write(_ members: [String: JSONValue], tokens: [JSONValue]) throws {
                var members = members
                members["tokens"] = .array([token("admin", "token-of-the-test", "admin")] + tokens)
                try JSONValue.object(members).encoded().write(to: config, atomically: true, encoding: .utf8)
            }
            try write(["capacity": 1], tokens: [token("ci", "of-ci", "build")])
            try await withOrchestrator(flags: ["--config", config.path]) { orchestrator in
                func asked(_ secret: String) async throws -> Int {
                    try await orchestrator.request(
                        "GET", "/api/v1/workspaces/acme/p95", headers: ["Authorization": "Bearer \(secret)"]
                    ).status
                }
                func hangUp(until event: String) async throws {
                    let before = orchestrator.log.components(separatedBy: "\"\(event)\"").count
                    kill(try #require(orchestrator.pid), SIGHUP)
                    let isTold = await eventually {
                        orchestrator.log.components(separatedBy: "\"\(event)\"").count > before
                    }
                    #expect(isTold, "\(orchestrator.log)")
                }
                func spawn(_ key: String) async throws -> PlainHTTPResponse {
                    try await orchestrator.request(
                        "POST", "/api/v1/runners", headers: ["Idempotency-Key": key], body: Self.order)
                }
                let id = try #require(try await spawn("key-number-1").json["data"]?["runner_id"]?.stringValue)
                #expect(try await spawn("key-number-2").status == 429)
                #expect(try await asked("of-ci") == 200)
                #expect(try await asked("of-new") == 401)

                try write(["capacity": 2, "listen": "127.0.0.1:1"], tokens: [token("new", "of-new", "build")])
                try await hangUp(until: "configured")
                #expect(try await asked("of-ci") == 401)
                #expect(try await asked("of-new") == 200)
                #expect(try await orchestrator.runners() == [id])
                #expect(try await spawn("key-number-3").status == 201)
                // The port is a flag's here, which beats the file: nothing of it has changed.
                #expect(!orchestrator.hasLogged("needs_restart"))

                try write(["capacity": 2, "log": "text", "on_stop": "keep"], tokens: [token("new", "of-new", "build")])
                try await hangUp(until: "configured")

                try "{".write(to: config, atomically: true, encoding: .utf8)
                try await hangUp(until: "configuration_refused")
                #expect(try await asked("of-new") == 200)
                #expect(try await orchestrator.runners().count == 2)
                try write(["capacity": 2], tokens: [])
                try await hangUp(until: "configured")
                #expect(try await asked("of-new") == 401)
            }
        }
    }

    /// A token that has become known to others is changed in its file, and counts no more at once.
    @Test func theTokenFileIsReadAgain() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "token").path
            let config = folder.appending(path: "c.json").path
            try writeFile(file, "the-first-token\n", mode: 0o600)
            try writeFile(config, JSONValue.object(["token_file": .string(file)]).encoded())
            try await withOrchestrator(flags: ["--config", config]) { orchestrator in
                func asked(_ secret: String) async throws -> Int {
                    try await orchestrator.request(
                        "GET", "/api/v1/runners", headers: ["Authorization": "Bearer \(secret)"]
                    ).status
                }
                #expect(try await asked("the-first-token") == 200)
                for (text, event, good) in [
                    ("the-second-token\n", "\"configured\"", "the-second-token"),
                    ("", "\"configuration_refused\"", "the-second-token"),
                ] {
                    try replaceFile(file, text, outlivesPowerLoss: false)
                    kill(try #require(orchestrator.pid), SIGHUP)
                    #expect(await eventually { orchestrator.log.contains(event) }, "\(orchestrator.log)")
                    #expect(try await asked(good) == 200)
                    #expect(try await asked("the-first-token") == 401)
                }
                #expect(!orchestrator.hasLogged("needs_restart"))
            }
        }
    }

    /// What can fail is done before anything has changed: here the key of the certificate is not one any more.
    @Test func aReadingCountsAsAWholeOrNotAtAll() async throws {
        try await withTemporaryFolder { folder in
            let config = folder.appending(path: "c.json")
            func write(_ secret: String, capacity: Int) throws {
                let document: JSONValue = [
                    "capacity": .integer(capacity), "volumes": ["kind": "exclusive"],
                    "public_url": "https://r.example/x",
                    "tokens": [token("admin", "token-of-the-test", "admin"), token("ci", secret, "build")],
                ]
                try document.encoded().write(to: config, atomically: true, encoding: .utf8)
            }
            try write("of-old", capacity: 1)
            let authority = try await TestAuthority(in: folder)
            try await withOrchestrator(flags: ["--config", config.path], authority: authority) { orchestrator in
                #expect(orchestrator.log.contains(#""public_url":"https://r.example/x""#))
                try writeFile(folder.appending(path: "orchestrator-key.pem").path, "no key", mode: 0o600)
                try write("of-new", capacity: 7)
                kill(try #require(orchestrator.pid), SIGHUP)
                #expect(await eventually { orchestrator.hasLogged("configuration_refused") }, "\(orchestrator.log)")
                for (secret, status) in [("of-old", 200), ("of-new", 401)] {
                    let answer = try await orchestrator.request(
                        "GET", "/api/v1/workspaces/acme/p95", headers: ["Authorization": "Bearer \(secret)"])
                    #expect(answer.status == status, "\(secret)")
                }
                let overview = try await orchestrator.request("GET", "/api/v1/overview").json
                #expect(overview["data"]?["capacity"]?["runners"] == 1)
            }
        }
    }

    /// A configuration that takes long to read holds up no other signal, and what needs a restart is told each time.
    @Test func aReadingHoldsUpNoStop() async throws {
        try await withTemporaryFolder { folder in
            let config = folder.appending(path: "c.ncl")
            try "{}".write(to: config, atomically: true, encoding: .utf8)
            func nickel(_ script: String) throws { try writeScript(script, to: folder.appending(path: "nickel")) }
            try nickel("echo '{}'")
            let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
            try await withOrchestrator(
                flags: ["--config", config.path], environment: ["PATH": "\(folder.path):\(path)"]
            ) {
                orchestrator in
                let pid = try #require(orchestrator.pid)
                try nickel(#"echo '{"history_days": 3}'"#)
                for round in 1...2 {
                    kill(pid, SIGHUP)
                    let isTold = await eventually {
                        orchestrator.log.components(separatedBy: "\"needs_restart\"").count > round
                    }
                    #expect(isTold, "\(orchestrator.log)")
                }
                let asked = folder.appending(path: "asked").path
                try nickel("touch \(asked); exec sleep 100000")
                kill(pid, SIGHUP)
                #expect(await eventually { fileKind(asked) != nil })
                #expect(await orchestrator.stop() == .exited(0))
                #expect(orchestrator.hasLogged("stopped") && !orchestrator.hasLogged("configuration_refused"))
            }
        }
    }

    /// Whether one token may everything or several may something each is decided at the start, however often the
    /// configuration is read again.
    @Test func theOneTokenStaysUntilTheNextStart() async throws {
        try await withTemporaryFolder { folder in
            let config = folder.appending(path: "c.json")
            try "{}".write(to: config, atomically: true, encoding: .utf8)
            try await withOrchestrator(flags: ["--config", config.path]) { orchestrator in
                let several: JSONValue = ["tokens": [token("ci", "of-ci", "build")]]
                try several.encoded().write(to: config, atomically: true, encoding: .utf8)
                for round in 1...2 {
                    kill(try #require(orchestrator.pid), SIGHUP)
                    let isRead = await eventually {
                        orchestrator.log.components(separatedBy: "\"configured\"").count > round
                    }
                    #expect(isRead, "\(orchestrator.log)")
                    #expect(try await orchestrator.request("GET", "/api/v1/runners").status == 200)
                }
                #expect(orchestrator.hasLogged("needs_restart"))
            }
        }
    }
}
