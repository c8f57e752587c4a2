import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianOrchestrator

/// Who may do what.
@Suite struct AccessTests {
    static func token(
        _ name: String, _ role: Token.Role, _ workspaces: [String] = ["acme"], layers: Set<Token.Layer> = [.ci, .dev],
        maxRunners: Int? = nil, expires: Int? = nil
    ) throws -> Token {
        Token(
            name: name, hash: TokenHash(of: "secret-of-\(name)".utf8),
            workspaces: try workspaces.map { try #require(WorkspacePattern($0)) }, layers: layers, role: role,
            maxRunners: maxRunners, expires: expires)
    }

    // MARK: Tokens

    @Test func aTokenIsFoundByWhatIsSent() throws {
        let tokens = Tokens([try Self.token("a", .build), try Self.token("b", .read)])
        for (header, name) in [("Bearer secret-of-a", "a"), ("bearer secret-of-b", "b")] {
            guard case .found(let token) = tokens.token(authorization: header) else {
                Issue.record("\(header) is unknown")
                continue
            }
            #expect(token.name == name)
        }
        for wrong in [
            nil, "", "secret-of-a", "Bearer", "Bearer ", "Basic secret-of-a", "Bearer secret-of-",
            "Bearer secret-of-aa",
            "Bearer \(TokenHash(of: "secret-of-a".utf8))",
        ] {
            #expect(tokens.token(authorization: wrong) == .unknown)
        }
        tokens.replace(by: [try Self.token("b", .read)])
        #expect(tokens.token(authorization: "Bearer secret-of-a") == .unknown)
    }

    @Test func aTokenExpires() throws {
        let tokens = Tokens([try Self.token("a", .build, expires: 1000)])
        guard case .found = tokens.token(authorization: "Bearer secret-of-a", at: 999) else {
            Issue.record("too soon")
            return
        }
        #expect(tokens.token(authorization: "Bearer secret-of-a", at: 1000) == .expired(name: "a"))
    }

    @Test func tokensThatCannotBeSentAreRefused() {
        #expect(Tokens.problem(with: "abc") == nil)
        for bad in ["", "a b", "ä", "a\n"] { #expect(Tokens.problem(with: bad) != nil) }
    }

    /// As sha256sum prints it.
    @Test func hashesAreWrittenAndRead() throws {
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        let hash = TokenHash(of: "abc".utf8)
        #expect("\(hash)" == text && TokenHash(text) == hash && TokenHash(text.uppercased()) == nil)
        #expect(hash.isSame(as: hash) && !hash.isSame(as: TokenHash(of: "abd".utf8)))
        for bad in ["", "sha256:", String(text.dropLast()), text + "0", text + "00", "md5:900150983cd24fb0"] {
            #expect(TokenHash(bad) == nil, "\(bad)")
        }
    }

    @Test func workspacesAreNamedOrBegun() throws {
        for (pattern, seen, unseen) in [
            ("acme", ["acme"], ["acme-2", "acm", "other"]), ("acme-*", ["acme-2", "acme-a-b"], ["acme", "other"]),
            ("a*", ["a", "acme"], ["b"]), ("*", ["a", "b-c"], []),
        ] as [(String, [String], [String])] {
            let found = try #require(WorkspacePattern(pattern))
            #expect(seen.allSatisfy(found.matches) && !unseen.contains(where: found.matches), "\(pattern)")
        }
        for bad in ["", "-a", "a--*", "A*", "a*b", "**", "a/b", "a b"] {
            #expect(WorkspacePattern(bad) == nil, "\(bad)")
        }
    }

    // MARK: What each may

    /// What becomes of an operation: in a workspace of the token's, and in another one.
    private struct Cell: Equatable {
        var own: String
        var other: String
        init(_ own: String, _ other: String) { (self.own, self.other) = (own, other) }
    }

    /// Every cell. An operation that is not named here fails the test, as it is denied where it is not named there.
    private static let table: [Operation: [Token.Role: Cell]] = {
        let all = Cell("allowed", "allowed")
        let own = Cell("allowed", "forbidden")
        let ownRunner = Cell("allowed", "hidden")
        let none = Cell("forbidden", "forbidden")
        return [
            .spawnRunner: [.build: own, .read: none, .admin: all],
            .listRunners: [.build: none, .read: own, .admin: all],
            .showRunner: [.build: ownRunner, .read: ownRunner, .admin: all],
            .destroyRunner: [.build: ownRunner, .read: none, .admin: all],
            .heartbeat: [.build: ownRunner, .read: none, .admin: all],
            .keepVolume: [.build: ownRunner, .read: none, .admin: all],
            .listVolumes: [.build: none, .read: own, .admin: all],
            .deleteVolume: [.build: none, .read: none, .admin: all],
            .readHistory: [.build: own, .read: own, .admin: all],
            .recordMetrics: [.build: own, .read: none, .admin: all],
            .listBuilds: [.build: none, .read: own, .admin: all],
            // What they show of other workspaces has tests of its own.
            .showOverview: [.build: none, .read: all, .admin: all],
            .readMeters: [.build: none, .read: all, .admin: all],
            .showPage: [.build: none, .read: all, .admin: all],
            .showBuild: [.build: none, .read: ownRunner, .admin: all],
        ]
    }()

    private func subject(_ operation: Operation, _ workspace: String) -> Permissions.Subject {
        switch operation {
        case .spawnRunner:
            var order = fleetOrder()
            order.workspace = workspace
            return .newRunner(order)
        case .showRunner, .destroyRunner, .heartbeat, .keepVolume:
            return .runner(workspace: workspace, spawnedBy: "another")
        case .showBuild: return .build(workspace: workspace)
        case .deleteVolume, .showOverview, .readMeters, .showPage: return .whatItSees
        case .listRunners, .listVolumes, .readHistory, .recordMetrics, .listBuilds: return .workspace(workspace)
        }
    }

    @Test(arguments: Operation.allCases, Token.Role.allCases)
    func everyCell(operation: Operation, role: Token.Role) throws {
        let token = try Self.token("t", role, ["acme", "team-*"])
        let expected = try #require(Self.table[operation]?[role])
        for (workspace, outcome) in [
            ("acme", expected.own), ("team-a", expected.own), ("other", expected.other), ("acme-2", expected.other),
        ] {
            let found = Permissions.decide(operation, on: subject(operation, workspace), by: token)
            #expect("\(found)".hasPrefix(outcome), "\(operation) of \(workspace) by \(role): \(found)")
        }
        // What lies behind a list without a workspace is filtered; a runner that never was is hidden from all.
        if expected.own == "allowed" {
            #expect(Permissions.decide(operation, on: .whatItSees, by: token) == .allowed)
            #expect(Permissions.decide(operation, on: .runner(workspace: nil, spawnedBy: nil), by: token) == .hidden)
        }
    }

    @Test(
        arguments: [
            // A token of CI's writes CI's, and reads no session's.
            ([.ci], ["ci/acme/app"], "ci/acme/app", true), ([.ci], [], "dev/ada-acme/app", false),
            ([.ci], ["dev/ada-acme/app"], nil, false),
            // A session's reads both and writes its own.
            ([.dev], ["dev/ada-acme/app", "ci/acme/app"], "dev/ada-acme/app", true), ([.dev], [], "ci/acme/app", false),
            ([.dev], ["ci/acme/app"], nil, true), ([.dev], [], nil, true),
            // None of another workspace, of whatever layer.
            ([.ci, .dev], ["ci/other/app"], nil, false), ([.ci, .dev], ["dev/ada-other/app"], nil, false),
            ([.ci, .dev], ["ci/acme/app", "ci/other/app"], "ci/acme/app", false), ([], [], nil, true),
            ([], [], "dev/ada-acme/app", false),
        ] as [(Set<Token.Layer>, [String], String?, Bool)])
    func volumesAreOfLayers(layers: Set<Token.Layer>, from: [String], to: String?, isAllowed: Bool) throws {
        var order = fleetOrder()
        order.volume = VolumeRequest(
            from: try from.map { try #require(VolumeName($0)) }, to: try to.map { try #require(VolumeName($0)) })
        func decision(_ role: Token.Role) throws -> Permissions.Decision {
            Permissions.decide(.spawnRunner, on: .newRunner(order), by: try Self.token("t", role, layers: layers))
        }
        #expect(try (decision(.build) == .allowed) == isAllowed)
        #expect(try decision(.admin) == .allowed)
    }

    /// A session sees, ends, renews and keeps what it has spawned itself, and nothing of CI's or of another session's.
    @Test(arguments: [.destroyRunner, .heartbeat, .keepVolume, .showRunner] as [Operation])
    func aSessionsTokenChangesItsOwnRunnersAlone(operation: Operation) throws {
        func decision(_ layers: Set<Token.Layer>, _ role: Token.Role, spawnedBy: String?) throws -> String {
            let token = try Self.token("t", role, layers: layers)
            return "\(Permissions.decide(operation, on: .runner(workspace: "acme", spawnedBy: spawnedBy), by: token))"
        }
        for layers: Set<Token.Layer> in [[.dev], []] {
            #expect(try decision(layers, .build, spawnedBy: "t") == "allowed")
            for spawner in ["ci", nil] {
                let found = try decision(layers, .build, spawnedBy: spawner)
                #expect(found.hasPrefix("forbidden"), "\(found)")
            }
            #expect(try decision(layers, .admin, spawnedBy: "ci") == "allowed")
        }
        #expect(try decision([.ci], .build, spawnedBy: "another") == "allowed")
    }

    // MARK: Through the API

    /// A public log of CI's names its runner: that is of no use to a stranger whose build is a session.
    @Test func aSessionDoesNotTouchCIsRunner() async throws {
        try await withFleet { fixture in
            let (ci, session) = (try Self.token("ci", .build), try Self.token("pr", .build, layers: [.dev]))
            let name = try #require(VolumeName("ci/acme/app"))
            guard
                case .created(let runner) = try fixture.spawn(
                    "key-1", volume: VolumeRequest(from: [], to: name), by: ci)
            else { throw NotCreated() }
            _ = try fixture.fleet.runner(runner.runnerID, waitingAtMost: .seconds(120))
            let path = "/api/v1/runners/\(runner.runnerID)"
            let kept: JSONValue = ["outcome": "succeeded", "executed_ms": 1_000_000_000]
            for (method, target, body) in [
                ("POST", "\(path)/keep", kept), ("POST", "\(path)/heartbeat", nil), ("DELETE", path, nil),
            ] as [(String, String, JSONValue?)] {
                #expect(await ask(fixture.routes, method, target, by: session, body: body).status == 403, "\(target)")
            }
            #expect(fixture.provider.books.withLock(\.enginesStopped) == [] && fixture.volumes.list().isEmpty)
            #expect(await ask(fixture.routes, "POST", "\(path)/keep", by: ci, body: kept).status == 200)
            #expect(await ask(fixture.routes, "DELETE", path, by: ci).status == 200)
        }
    }

    /// What a session tells of its builds sizes none of CI's, takes no place of CI's in the history, and does not stand
    /// where CI tells of the same build.
    @Test func aSessionDoesNotSizeCIsBuilds() async throws {
        try await withFleet { fixture in
            let (ci, session) = (try Self.token("ci", .build), try Self.token("pr", .build, layers: [.dev]))
            func tell(_ report: MetricsReport, by token: Token) async {
                let target = "/api/v1/workspaces/acme/metrics"
                #expect(await ask(fixture.routes, "POST", target, by: token, body: report.json).status == 202)
            }
            func memory(by token: Token) async throws -> [JSONValue?] {
                let answer = await ask(fixture.routes, "GET", "/api/v1/workspaces/acme/p95", by: token)
                let data = try JSONValue.parse(answer.body)["data"]
                return [data?["samples"], data?["memory_mb_p95"]]
            }
            for build in 1...60 { await tell(buildReport(build, memory: 1_000_000), by: session) }
            #expect(try await memory(by: ci) == [0, .null])
            #expect(try await memory(by: session) == [50, 1_000_000])
            await tell(buildReport(60, memory: 700), by: ci)
            await tell(buildReport(60, memory: 1), by: session)
            await tell(buildReport(61, memory: 500), by: ci)
            #expect(try await memory(by: ci) == [2, 700])
            #expect(try await memory(by: session) == [50, 1_000_000])
            let overview = await ask(fixture.routes, "GET", "/api/v1/overview", by: try Self.token("reader", .read))
            let workspace = try JSONValue.parse(overview.body)["data"]?["workspaces"]?.arrayValue?.first
            #expect(workspace?["history"]?["memory_mb_p95"] == 700)
        }
    }

    /// A body may take half a minute to arrive, and what is let in at the headers may have lost its right by then.
    @Test func aTokenThatIsTakenBackMeanwhileOpensNothing() async throws {
        try await withFleet { fixture in
            let token = try Self.token("a", .build)
            let tokens = Tokens([token])
            let routes = Routes(
                fleet: fixture.fleet, volumes: fixture.volumes, store: fixture.store, tokens: tokens,
                log: EventLog(.text) { _ in })
            let seen = Monitor(0)
            let socket = try ListenAddress(host: "127.0.0.1", port: 0).open()
            let port = Int(socket.address.port)
            let server = try HTTPServer(
                listening: socket.takeDescriptor(), connectionLimit: 8, tls: nil,
                gate: { request in
                    seen.update { $0 += 1 }
                    return routes.admission(of: request)
                }, handler: routes.answer)
            let body = buildReport(1).json.encodedBytes()
            let head = PlainHTTPConnection.request(
                "POST", "/api/v1/workspaces/acme/metrics",
                headers: ["Authorization": "Bearer secret-of-a", "Content-Length": String(body.count)])
            let statuses: [Int?]
            do {
                let connection = KeptConnection(try PlainHTTPConnection(port: port))
                _ = await connection.send(head + body.dropLast())
                await onOwnThread { _ = seen.wait(atMost: nil) { $0 == 1 ? true : nil } }
                tokens.replace(by: [])
                let first = try await connection.ask(Array(body.suffix(1)))?.status
                tokens.replace(by: [token])
                let again = KeptConnection(try PlainHTTPConnection(port: port))
                statuses = [first, try await again.ask(head + body)?.status]
            } catch {
                await onOwnThread { server.stop() }
                throw error
            }
            await onOwnThread { server.stop() }
            #expect(statuses == [401, 202])
            #expect(try fixture.store.history(of: "acme").samples == 1)
        }
    }

    /// What a token may not see is answered as what never was, to the byte.
    @Test func whatIsHiddenNeverWas() async throws {
        try await withFleet { fixture in
            let routes = fixture.routes
            let id = try fixture.ready("key-1")
            let absent = String(id.reversed())
            let stranger = try Self.token("stranger", .build, ["other"])
            let kept: JSONValue = ["outcome": "succeeded", "executed_ms": 1]
            for (method, path, body) in [
                ("GET", "", nil), ("GET", "?wait=30", nil), ("DELETE", "", nil), ("POST", "/heartbeat", nil),
                ("POST", "/keep", kept),
            ] as [(String, String, JSONValue?)] {
                let hidden = await ask(routes, method, "/api/v1/runners/\(id)\(path)", by: stranger, body: body)
                let missing = await ask(routes, method, "/api/v1/runners/\(absent)\(path)", by: stranger, body: body)
                #expect(hidden.status == 404)
                #expect(
                    String(decoding: hidden.body, as: UTF8.self).replacing(id, with: "ID")
                        == String(decoding: missing.body, as: UTF8.self).replacing(absent, with: "ID"))
                #expect(hidden.headers == missing.headers && missing.status == 404)
            }
            // It is there all the same, and untouched.
            let owner = try Self.token("owner", .build)
            #expect(await ask(routes, "GET", "/api/v1/runners/\(id)", by: owner).status == 200)
            #expect(await ask(routes, "DELETE", "/api/v1/runners/\(id)", by: owner).status == 200)
            // One that was destroyed is no less hidden.
            #expect(await ask(routes, "POST", "/api/v1/runners/\(id)/heartbeat", by: owner).status == 410)
            #expect(await ask(routes, "POST", "/api/v1/runners/\(id)/heartbeat", by: stranger).status == 404)
        }
    }

    @Test func listsHoldWhatATokenSees() async throws {
        try await withFleet { fixture in
            let routes = fixture.routes
            let id = try fixture.ready("key-1")
            for (token, sees) in [
                (try Self.token("a", .read), true), (try Self.token("b", .read, ["other"]), false),
                (try Self.token("c", .admin, ["other"]), true),
            ] {
                let listed = String(
                    decoding: await ask(routes, "GET", "/api/v1/runners", by: token).body, as: UTF8.self)
                #expect(listed.contains(id) == sees, "\(token.name)")
            }
            let foreign = await ask(
                routes, "GET", "/api/v1/runners?workspace=acme", by: try Self.token("b", .read, ["other"]))
            #expect(foreign.status == 403 && !String(decoding: foreign.body, as: UTF8.self).contains(id))
        }
    }

    /// The same Idempotency-Key of another token is another key.
    @Test func keysAreEachTokensOwn() async throws {
        try await withFleet { fixture in
            let (first, second) = (try Self.token("first", .build), try Self.token("second", .build))
            guard case .created(let one) = try fixture.spawn("key-1", by: first),
                case .created(let other) = try fixture.spawn("key-1", by: second),
                case .known(let again) = try fixture.spawn("key-1", by: first)
            else {
                Issue.record("keys are shared")
                return
            }
            #expect(one.runnerID != other.runnerID && again.runnerID == one.runnerID)
        }
    }

    @Test func aQuotaIsToldApartFromTheCapacity() async throws {
        try await withFleet(capacity: 2) { fixture in
            let limited = try Self.token("limited", .build, maxRunners: 1)
            guard case .created(let runner) = try fixture.spawn("key-1", by: limited),
                case .refused(.quota) = try fixture.spawn("key-2", by: limited),
                case .known = try fixture.spawn("key-1", by: limited),
                case .created = try fixture.spawn("key-3", by: try Self.token("other", .build)),
                case .refused(.capacity) = try fixture.spawn("key-4", by: try Self.token("other", .build))
            else {
                Issue.record("the quota is not kept")
                return
            }
            _ = try fixture.fleet.destroy(runner.runnerID, reason: "test")
            // After a restart it counts on.
            let second = try fixture.killedAndStarted(capacity: 4)
            guard case .created = try second.spawn("key-5", by: limited),
                case .refused(.quota) = try second.spawn("key-6", by: limited)
            else {
                Issue.record("the quota is not kept after a restart")
                return
            }
        }
    }

    @Test func aVolumeIsOfTheRunnersWorkspace() async throws {
        try await withFleet { fixture in
            for name in ["ci/other/app", "dev/ada-other/app", "dev/acme/app"] {
                let volume = VolumeRequest(from: [], to: VolumeName(name))
                guard case .unservable(let why) = try fixture.spawn("key-\(name.utf8.count)", volume: volume) else {
                    Issue.record("\(name) was taken")
                    continue
                }
                #expect(why.contains(name))
            }
        }
    }
}
