import Foundation
import Glibc
import LianHTTP
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The server's TLS, against OpenSSL and libcurl.
@Suite struct TLSTests {
    private static let openssl = "/usr/bin/openssl"

    // MARK: What it cannot serve with

    /// What the files hold instead of a certificate and the key to it, and what is said of that.
    enum Flaw: String, CaseIterable {
        case noCertificate, noKey, keyOfAnother, keyForOthers, encryptedKey, expired, tooEarly, missing, folder

        var words: String {
            switch self {
            case .noCertificate: "is no certificate in PEM"
            case .noKey: "is no private key in PEM"
            case .keyOfAnother: "does not belong to the certificate"
            case .keyForOthers: "chmod 600 "
            case .encryptedKey: "is encrypted"
            case .expired: "expired at 20"
            case .tooEarly: "is valid from 20"
            case .missing: "cannot be read: No such file"
            case .folder: "cannot be read: it is not a regular file"
            }
        }
    }

    @Test(arguments: Flaw.allCases) func filesThatDoNotServe(_ flaw: Flaw) async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            let good = try await authority.server(days: flaw == .expired ? -1 : 2)
            var (certificate, key) = (good.certificate, good.key)
            switch flaw {
            case .noCertificate: certificate = good.key
            case .noKey: try writeFile(key, "-----BEGIN PRIVATE KEY-----\nnone\n-----END PRIVATE KEY-----\n")
            case .keyOfAnother: key = try await authority.server("other").key
            case .keyForOthers: chmod(key, 0o640)
            case .encryptedKey:
                key = folder.appending(path: "encrypted.pem").path
                _ = try await runTool(
                    Self.openssl, ["pkcs8", "-topk8", "-in", good.key, "-out", key, "-passout", "pass:secret"])
                chmod(key, 0o600)
            case .missing: certificate = folder.appending(path: "missing").path
            case .folder: key = folder.path
            case .expired, .tooEarly: break
            }
            let now = flaw == .tooEarly ? time(nil) - 86400 : time(nil)
            let error = #expect(throws: ProviderError.self) {
                try TLSIdentity.read(certificateFile: certificate, keyFile: key, at: now)
            }
            let told = error?.description ?? ""
            #expect(told.contains(flaw.words), "\(told)")
            #expect(told.contains(flaw == .noCertificate || flaw == .missing ? certificate : folder.path), "\(told)")
        }
    }

    /// Nothing is made and nothing is served.
    @Test func theProgramSaysWhichFileIsWrong() async throws {
        try await withTemporaryFolder { folder in
            let server = try await TestAuthority(in: folder).server(days: -1)
            let state = folder.appending(path: "state").path
            let result = try await run(
                Command(
                    Project.executable("lian-orchestrator"),
                    ["--listen", "127.0.0.1:0", "--state", state, "--log", "text"] + server.flags,
                    environment: [:]), deadline: .seconds(120))
            #expect(result.termination == .exited(1))
            #expect(result.errorText.contains("\(server.certificate) expired at"), "\(result.errorText)")
            #expect(fileKind(state) == nil)
        }
    }

    // MARK: How it serves

    private static let good = "Bearer good"

    /// A server that knows one token, and answers with the length of the body.
    private func withServer(
        _ identity: TLSIdentity, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        _ body: (HTTPServer, Int) async throws -> Void
    ) async throws {
        let socket = try ListenAddress(host: "127.0.0.1", port: 0).open()
        let port = Int(socket.address.port)
        let server = try HTTPServer(
            listening: socket.takeDescriptor(), connectionLimit: 1024, tls: identity, now: now,
            gate: { request in
                request.authorization == Self.good
                    ? .admitted(.ofAll("good")) : .refused(OutgoingResponse(status: 401, body: .null))
            },
            handler: { request, _ in
                let answer = OutgoingResponse(status: 200, body: .integer(request.body.count))
                return request.body.isEmpty ? .now(answer) : .later { respond in respond(answer) }
            })
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(server, port))
        } catch {
            result = .failure(error)
        }
        await onOwnThread { server.stop() }
        try result.get()
    }

    private func identity(_ server: TestAuthority.Server) throws -> TLSIdentity {
        try TLSIdentity.read(certificateFile: server.certificate, keyFile: server.key)
    }

    private func request(_ port: Int, _ trusted: TestAuthority, body: [UInt8] = []) throws -> HTTPRequest {
        var request = HTTPRequest(
            body.isEmpty ? .get : .post, try HTTPURL("https://localhost:\(port)"), "/",
            headers: ["Authorization": Self.good], body: body)
        request.authorities = try TrustedAuthorities(file: trusted.certificate)
        return request
    }

    /// Small and large bodies, one connection after the other and many at once.
    @Test func requestsArriveWhole() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            try await withServer(identity(try await authority.server())) { _, port in
                let http = try HTTPClient()
                let sizes = [0, 1, 16_383, 16_384, 16_385, 1 << 20]
                for size in sizes {
                    let body = [UInt8](repeating: 0x61, count: size)
                    let answer = try await http.send(request(port, authority, body: body))
                    #expect(answer.status == 200 && answer.body == Array(String(size).utf8))
                }
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for number in 0..<64 {
                        group.addTask {
                            let body = [UInt8](repeating: 0x61, count: number * 1000)
                            return try await http.send(request(port, authority, body: body)).status
                        }
                    }
                    for try await status in group { #expect(status == 200) }
                }
            }
        }
    }

    /// Who trusts the authority above alone is shown the one between as well.
    @Test func theWholeChainIsShown() async throws {
        try await withTemporaryFolder { folder in
            let root = try await TestAuthority(in: folder)
            let between = try await root.authority(named: "between")
            try await withServer(identity(try await between.server())) { _, port in
                let answer = try await HTTPClient().send(request(port, root))
                #expect(answer.status == 200)
            }
        }
    }

    /// A connection that is open goes on with the certificate that it was shown; a new one is shown the new one.
    @Test func certificatesAreReplacedWhileItServes() async throws {
        try await withTemporaryFolder { folder in
            let before = try await TestAuthority(in: folder, named: "before")
            let after = try await TestAuthority(in: folder, named: "after")
            try await withServer(identity(try await before.server("one"))) { server, port in
                let known = try HTTPClient()
                #expect(try await known.send(request(port, before)).status == 200)
                for round in 0..<3 {
                    server.reload(try identity(try await after.server("two-\(round)")))
                    #expect(try await known.send(request(port, before)).status == 200)
                    let stranger = try HTTPClient()
                    let error = await #expect(throws: HTTPFailure.self) {
                        try await stranger.send(request(port, before))
                    }
                    #expect(error?.kind == .certificateRefused)
                    #expect(try await stranger.send(request(port, after)).status == 200)
                }
            }
        }
    }

    /// What OpenSSL's client says of a connection, to which it sends the input.
    private func client(
        _ port: Int, _ flags: [String], input: SubprocessInput = .bytes([])
    ) async throws -> (isGood: Bool, text: String) {
        let result = try await run(
            Command(Self.openssl, ["s_client", "-connect", "127.0.0.1:\(port)"] + flags, environment: [:]),
            input: input, deadline: .seconds(120))
        return (result.termination.isSuccess, result.outputText + result.errorText)
    }

    @Test func onlyWhatIsStillSafeIsSpoken() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            try await withServer(identity(try await authority.server())) { _, port in
                for version in ["-tls1_2", "-tls1_3"] {
                    let told = try await client(
                        port, [version, "-CAfile", authority.certificate, "-verify_return_error"])
                    #expect(told.isGood && told.text.contains("Verify return code: 0"), "\(told.text)")
                    #expect(told.text.contains("Compression: NONE"))
                }
                for flags in [
                    ["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "NULL"], ["-tls1_2", "-cipher", "RC4"],
                    ["-tls1_2", "-cipher", "aNULL"], ["-tls1_2", "-cipher", "3DES"],
                ] {
                    let level = flags.contains("-cipher") ? [] : ["-cipher", "ALL"]
                    let flags = (flags + level).map { $0.first == "-" ? $0 : "\($0):@SECLEVEL=0" }
                    let told = try await client(port, flags)
                    #expect(!told.isGood, "\(flags): \(told.text)")
                }
            }
        }
    }

    /// Who wants to negotiate again is cut off.
    @Test func nobodyNegotiatesAgain() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            try await withServer(identity(try await authority.server())) { _, port in
                // "R" has s_client negotiate again. Where it may, it tells of the certificate once more.
                // Its input ends with it, so that it stays until it is cut off.
                let input = SubprocessInput.writer { descriptor in
                    guard write(descriptor, "R\n", 2) == 2 else { return }
                    var end = pollfd(fd: descriptor, events: 0, revents: 0)
                    poll(&end, 1, -1)
                }
                let told = try await client(port, ["-tls1_2"], input: input).text
                let after = try #require(told.components(separatedBy: "RENEGOTIATING").last)
                #expect(after != told && told.contains("\nclosed\n") && !after.contains("depth=0"), "\(told)")
                #expect(try await HTTPClient().send(self.request(port, authority)).status == 200)
            }
        }
    }

    /// Whoever never ends the handshake, or begins none, is cut off when its time to show the token is over.
    @Test func aHandshakeThatNeverEndsIsEnded() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            let later = Guarded(Duration.zero)
            try await withServer(identity(try await authority.server()), now: { .now + later.value }) { _, port in
                // The first bytes of a greeting that is longer.
                for start in [[], [0x16], [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]] as [[UInt8]] {
                    let ended = try await onOwnThread {
                        Result {
                            let connection = try PlainHTTPConnection(port: port)
                            _ = connection.send(start)
                            later.set(ConnectionPlaces.tokenLimit)
                            return try connection.receive() == nil
                        }
                    }.get()
                    #expect(ended)
                    later.set(.zero)
                }
                #expect(try await HTTPClient().send(request(port, authority)).status == 200)
            }
        }
    }

    /// It is closed at once, with nothing that a client could take for an answer.
    @Test func plainHTTPIsNotAnswered() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            try await withServer(identity(try await authority.server())) { _, port in
                let answer = try await onOwnThread {
                    Result {
                        let connection = try PlainHTTPConnection(port: port)
                        _ = connection.send(PlainHTTPConnection.request("GET", "/"))
                        return try connection.receive()
                    }
                }.get()
                #expect(answer == nil)
            }
        }
    }

    // MARK: Who fails too often

    @Test func afterTenFailuresWhoFailsHasToWait() async throws {
        try await withOrchestrator { orchestrator in
            func ask(_ token: String) async throws -> PlainHTTPResponse {
                try await orchestrator.request(
                    "GET", "/api/v1/runners", headers: ["Authorization": "Bearer \(token)"])
            }
            for number in 0..<10 { #expect(try await ask("guess-\(number)").status == 401) }
            let refused = try await ask("guess-10")
            #expect(refused.status == 429 && refused.json["error"]?["code"] == "too_many_failures")
            let wait = try #require(refused.headers["retry-after"].flatMap { Int($0) })
            #expect((1...60).contains(wait))
            #expect(try await ask(orchestrator.token).status == 200)
            let metrics = String(decoding: try await orchestrator.request("GET", "/metrics").body, as: UTF8.self)
            #expect(metrics.contains("lian_http_refusals_total{code=\"unauthorized\"} 10\n"))
            #expect(metrics.contains("lian_http_refusals_total{code=\"too_many_failures\"} 1\n"))
            // What needs no token has not failed, and what is nowhere is told as before.
            let health = try await exchange(port: orchestrator.port, "GET", "/healthz")
            #expect(health.status == 200)
        }
    }
}
