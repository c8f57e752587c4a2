import LianModel
import LianSystem
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
        case .showRunner, .destroyRunner, .heartbeat, .keepVolume: return .runner(workspace: workspace)
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
            #expect(Permissions.decide(operation, on: .runner(workspace: nil), by: token) == .hidden)
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

    // MARK: Through the API

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
