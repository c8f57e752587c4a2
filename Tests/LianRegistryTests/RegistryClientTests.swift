import Foundation
import LianHTTP
import LianModel
import LianTestSupport
import Testing

@testable import LianRegistry

@Suite struct RegistryClientTests {
    private static let type = "application/vnd.oci.image.index.v1+json"
    private static let image = "application/vnd.oci.image.manifest.v1+json"
    private static let list = ImageManifest(
        mediaType: type, bytes: Array("{\"schemaVersion\":2,\"manifests\":[],\"mediaType\":\"\(type)\"}".utf8))
    private static let ada = RegistryLogin.basic(username: "ada", password: "pass-of-ada")

    private func client(
        _ server: ScriptedHTTPServer, _ login: RegistryLogin? = ada
    ) async throws -> RegistryClient {
        try await client("127.0.0.1:\(server.port)", isInsecure: true, login)
    }

    private func client(
        _ host: String, isInsecure: Bool = false, _ login: RegistryLogin? = nil
    ) async throws -> RegistryClient {
        try #require(
            await RegistryClient(host: host, isInsecure: isInsecure, login: login, http: try HTTPClient()))
    }

    private func failure(_ body: () async throws -> Void) async -> RegistryFailure? {
        do {
            try await body()
            return nil
        } catch {
            return error as? RegistryFailure
        }
    }

    private var found: ScriptedHTTPServer.Reply {
        .answer(200, Self.list.bytes, headers: ["Content-Type": "\(Self.type); charset=utf-8"])
    }

    private func challenge(_ text: String, body: JSONValue = .null) -> ScriptedHTTPServer.Reply {
        .json(401, body, headers: ["WWW-Authenticate": text])
    }

    @Test(.needsRegistry, arguments: [nil, Registry.User()])
    func aRealRegistryKeepsWhatIsPushed(for user: Registry.User?) async throws {
        try await withRegistry(for: user) { registry in
            let login = user.map { RegistryLogin.basic(username: $0.name, password: $0.password) }
            // That it speaks plain HTTP is seen: it is on this machine.
            let client = try await client(registry.host, login)
            for reference in [Self.list.digest, "1"] { try await client.push(Self.list, "acme/app", as: reference) }
            #expect(try await registry.digest(of: "acme/app", tag: "1") == Self.list.digest)
            for reference in [Self.list.digest, "1"] {
                #expect(try await client.manifest("acme/app", reference) == Self.list)
            }
            let missing = await failure { _ = try await client.manifest("acme/app", "2") }
            #expect(missing?.isTransient == false && missing?.reason.contains("answered 404 (MANIFEST_UNKNOWN") == true)
        }
    }

    @Test(.needsRegistry) func aRealRegistryThatDoesNotKnowTheCaller() async throws {
        try await withRegistry(for: Registry.User()) { registry in
            for login in [nil, RegistryLogin.basic(username: "builder", password: "wrong-one")] {
                let client = try await client(registry.host, login)
                let refused = await failure { try await client.push(Self.list, "acme/app", as: "1") }
                #expect(refused?.isTransient == false && refused?.reason.contains("answered 401") == true)
            }
        }
    }

    @Test func aTokenIsFetchedOnceAndAgainWhenItRanOut() async throws {
        try await withScriptedHTTPServer { server in
            let challenge = challenge(
                "Bearer realm=\"\(server.url)/token?a=b\",service=\"reg, one\",scope=\"repository:acme/app:pull\"")
            server.on("GET", "/v2/acme/app/manifests/1", [challenge, found, found, challenge, found])
            server.on("GET", "/token", [.json(200, ["token": "t-first"]), .json(200, ["access_token": "t-second"])])
            let client = try await client(server)
            for _ in 0..<3 { #expect(try await client.manifest("acme/app", "1") == Self.list) }
            let shown = server.requests("GET", "/v2/acme/app/manifests/1").map { $0.headers["authorization"] }
            #expect(shown == [nil, "Bearer t-first", "Bearer t-first", "Bearer t-first", "Bearer t-second"])
            let asked = server.requests("GET", "/token")
            let query = "a=b&service=reg%2C%20one&scope=repository%3Aacme%2Fapp%3Apull"
            #expect(asked.map(\.query) == [query, query])
            let basic = "Basic \(Data("ada:pass-of-ada".utf8).base64EncodedString())"
            #expect(asked.allSatisfy { $0.headers["authorization"] == basic })
        }
    }

    @Test func anIdentityTokenIsExchanged() async throws {
        try await withScriptedHTTPServer { server in
            server.on(
                "PUT", "/v2/app/manifests/1",
                [challenge("bearer realm=\"\(server.url)/token\",service=\"reg\""), .answer(201)])
            server.on("POST", "/token", [.json(200, ["access_token": "t-1"])])
            try await client(server, .identityToken("id/1")).push(Self.list, "app", as: "1")
            #expect(
                String(decoding: try #require(server.requests("POST", "/token").first).body, as: UTF8.self)
                    == "service=reg&scope=repository%3Aapp%3Apull%2Cpush&grant_type=refresh_token"
                    + "&client_id=lian-build&refresh_token=id%2F1")
            let pushed = try #require(server.requests("PUT", "/v2/app/manifests/1").last)
            #expect(pushed.body == Self.list.bytes && pushed.headers["content-type"] == Self.type)
        }
    }

    /// Nobody's words repeat a secret that they were shown.
    @Test func whatIsRefusedIsToldWithoutSecrets() async throws {
        try await withScriptedHTTPServer { server in
            server.on(
                "GET", "/v2/app/manifests/1",
                [
                    challenge("Bearer realm=\"\(server.url)/token\""),
                    .json(403, ["errors": [["code": "DENIED", "message": "t-of-this-test, pass-of-ada"]]]),
                ])
            server.on("GET", "/token", [.json(200, ["token": "t-of-this-test"])])
            let client = try await client(server)
            let refused = await failure { _ = try await client.manifest("app", "1") }
            #expect(refused?.reason == "\(server.url) answered 403 (DENIED: ***, ***)" && refused?.isTransient == false)
        }
    }

    @Test(arguments: [
        (ScriptedHTTPServer.Reply.answer(503), true, nil), (.answer(429, headers: ["Retry-After": "7"]), true, 7),
        (.reset, true, nil), (.answer(500), true, nil), (.answer(408), true, nil), (.answer(404), false, nil),
        (.answer(400), false, nil), (.endless(200), false, nil), (.answer(200, [1]), false, nil),
    ])
    func whatIsWorthAskingAgain(_ reply: ScriptedHTTPServer.Reply, isTransient: Bool, seconds: Int?) async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/v2/app/manifests/1", [reply])
            let client = try await client(server)
            let failed = await failure { _ = try await client.manifest("app", "1") }
            #expect(failed?.isTransient == isTransient && failed?.pause == seconds.map { .seconds($0) })
        }
    }

    /// Registries that take both offer both, each in a header of its own.
    @Test func challengesInSeveralHeaders() async throws {
        try await withScriptedHTTPServer { server in
            let head =
                "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"\(server.url)/token\"\r\n"
                + "WWW-Authenticate: Basic realm=\"x\"\r\nwww-authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n"
            server.on("GET", "/v2/app/manifests/1", [.init([.send(Array(head.utf8))]), found])
            server.on("GET", "/token", [.json(200, ["token": "t-1"])])
            let client = try await client(server)
            #expect(try await client.manifest("app", "1") == Self.list)
        }
    }

    /// A registry on this machine need not send its clients' logins over a network in clear.
    @Test func aLoginStaysOnTheMachine() async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/v2/app/manifests/1", [challenge("Bearer realm=\"http://192.0.2.1/token\"")])
            let client = try await client(server)
            let failed = await failure { _ = try await client.manifest("app", "1") }
            #expect(failed?.reason == "\(server.url) names no server for tokens that can be used")
        }
    }

    @Test(
        arguments: [
            (["token": "", "access_token": "t-1"], "Bearer t-1"),
            (["token": "t 1", "access_token": "t-2"], "Bearer t-2"),
            (["token": "t\r\nHost: other"], nil), (["token": 1], nil), ([], nil),
        ] as [(JSONValue, String?)])
    func whatIsAToken(answer: JSONValue, shown: String?) async throws {
        try await withScriptedHTTPServer { server in
            server.on(
                "GET", "/v2/app/manifests/1", [challenge("Bearer realm=\"\(server.url)/token\""), found])
            server.on("GET", "/token", [.json(200, answer)])
            let client = try await client(server)
            let failed = await failure { _ = try await client.manifest("app", "1") }
            #expect(failed?.reason == (shown == nil ? "\(server.url) gave no token" : nil))
            #expect(server.requests("GET", "/v2/app/manifests/1").last?.headers["authorization"] == shown)
        }
    }

    /// Of one manifest nobody may read two images.
    @Test(
        arguments: [
            (type, #"{"manifests":[]}"#, type), ("text/plain", #"{"manifests":[],"mediaType":"TYPE"}"#, type),
            (nil, #"{"layers":[],"mediaType":"IMAGE"}"#, image), (image, #"{"layers":[]}"#, image),
            (image, #"{"manifests":[],"mediaType":"TYPE"}"#, nil), (type, #"{"layers":[],"mediaType":"IMAGE"}"#, nil),
            (type, #"{"layers":[]}"#, nil), (type, #"{"manifests":[],"layers":[]}"#, nil),
            (image, #"{"manifests":[]}"#, nil), (type, "[]", nil), (type, "{", nil),
            ("text/html", #"{"manifests":[]}"#, nil),
        ] as [(String?, String, String?)])
    func whatAManifestIs(answered: String?, form: String, type: String?) async throws {
        let text = form.replacing("TYPE", with: Self.type).replacing("IMAGE", with: Self.image)
        try await withScriptedHTTPServer { server in
            let headers = answered.map { ["Content-Type": $0] } ?? [:]
            server.on("GET", "/v2/app/manifests/1", [.answer(200, Array(text.utf8), headers: headers)])
            let client = try await client(server)
            var read: ImageManifest?
            let failed = await failure { read = try await client.manifest("app", "1") }
            #expect(read == type.map { ImageManifest(mediaType: $0, bytes: Array(text.utf8)) })
            #expect(failed?.reason == (type == nil ? "\(server.url) has no manifest of an image at app:1" : nil))
        }
    }

    @Test func aRegistryThatKeepsSomethingElse() async throws {
        try await withScriptedHTTPServer { server in
            let other = "sha256:" + String(repeating: "0", count: 64)
            server.on(
                "PUT", "/v2/app/manifests/1",
                [
                    .answer(201, headers: ["Docker-Content-Digest": other]),
                    .answer(201, headers: ["Docker-Content-Digest": Self.list.digest]),
                ])
            let client = try await client(server)
            let failed = await failure { try await client.push(Self.list, "app", as: "1") }
            #expect(
                failed?.reason == "\(server.url) keeps another manifest than \(Self.list.digest), which was pushed")
            try await client.push(Self.list, "app", as: "1")
        }
    }

    @Test func anotherManifestThanItsDigestSays() async throws {
        try await withScriptedHTTPServer { server in
            let digest = "sha256:" + String(repeating: "0", count: 64)
            server.on("GET", "/v2/app/manifests/\(digest)", [found])
            let client = try await client(server)
            let failed = await failure { _ = try await client.manifest("app", digest) }
            #expect(failed?.reason == "\(server.url) answered another manifest than \(digest)")
        }
    }

    @Test func aRedirectWithinTheRegistryKeepsTheLogin() async throws {
        try await withScriptedHTTPServer { server in
            server.on(
                "GET", "/v2/app/manifests/1",
                [challenge("Basic realm=\"r\""), .answer(307, headers: ["Location": "/elsewhere?x=y"])])
            server.on("GET", "/elsewhere", [found])
            #expect(try await client(server).manifest("app", "1") == Self.list)
            let request = try #require(server.requests("GET", "/elsewhere").first)
            #expect(request.query == "x=y" && request.headers["authorization"]?.hasPrefix("Basic ") == true)
        }
    }

    /// Neither the login nor the manifest goes where a registry points to in clear, and nothing that is pushed goes on.
    @Test(arguments: ["http:", ""]) func aRedirectElsewhere(scheme: String) async throws {
        try await withScriptedHTTPServer { other in
            try await withScriptedHTTPServer { server in
                let away = ScriptedHTTPServer.Reply.answer(
                    307, headers: ["Location": "\(scheme)//127.0.0.1:\(other.port)/v2/"])
                server.on("GET", "/v2/app/manifests/1", [away])
                server.on("PUT", "/v2/app/manifests/1", [away])
                let client = try await client(server)
                let failed = await failure { _ = try await client.manifest("app", "1") }
                #expect(failed?.reason == "\(server.url) points elsewhere, and not by https")
                let pushed = await failure { try await client.push(Self.list, "app", as: "1") }
                #expect(pushed?.reason == "\(server.url) answered 307")
                #expect(other.requests().isEmpty)
            }
        }
    }

    @Test func redirectsEnd() async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/v2/app/manifests/1") { _, _ in
                .answer(302, headers: ["Location": "/v2/app/manifests/1"])
            }
            let client = try await client(server)
            let failed = await failure { _ = try await client.manifest("app", "1") }
            #expect(failed?.reason == "\(server.url) answered 302")
            #expect(server.requests().count == 4)
        }
    }

    @Test(arguments: [
        ("Basic realm=\"x\"", AuthChallenge.basic), ("Digest realm=\"x\"", nil), ("Bearer service=\"x\"", nil),
        ("", nil),
        ("Bearer", nil), ("Bearer realm", nil),
        ("BEARER Realm=\"https://a/t\" , service=b", .bearer(realm: "https://a/t", service: "b", scope: nil)),
        ("Bearer realm=\"https://a,b", .bearer(realm: "https://a,b", service: nil, scope: nil)),
        (
            "Basic realm=x, Bearer realm=\"https://a/t\",service=b",
            .bearer(realm: "https://a/t", service: "b", scope: nil)
        ),
        ("Bearer realm=r, Basic realm=\"Bearer\"", .bearer(realm: "r", service: nil, scope: nil)),
        ("Negotiate abc==, ,Basic realm=\"x\"", .basic), ("Bearer service=x, Basic", .basic),
        ("Bearer\trealm = \"a\\\"t\"\t,\tscope=\"a b\"", .bearer(realm: "a\"t", service: nil, scope: "a b")),
        ("Bearer realm=\"a\\", .bearer(realm: "a\\", service: nil, scope: nil)),
    ])
    func challenges(text: String, challenge: AuthChallenge?) {
        #expect(AuthChallenge(text) == challenge)
    }

    @Test func officialImagesOfDockersHub() async throws {
        // Its API is not at the name that references have; nothing is asked for here.
        let client = try await client("docker.io")
        #expect(client.server.origin == "https://registry-1.docker.io:443")
    }
}
