import Foundation
import LianHTTP
import LianModel
import LianSystem
import LianTestSupport
import Testing

@Suite struct HTTPClientTests {
    private let http: HTTPClient

    init() throws {
        http = try HTTPClient()
    }

    private func get(_ server: ScriptedHTTPServer, _ target: String, timeout: Duration = .seconds(60)) throws
        -> HTTPRequest
    {
        var request = HTTPRequest(.get, try HTTPURL(server.url), target)
        request.timeout = timeout
        return request
    }

    private func expect(_ kind: HTTPFailure.Kind, _ request: HTTPRequest, at place: SourceLocation = #_sourceLocation)
        async
    {
        let failure = await failure(request)
        #expect(failure?.kind == kind, sourceLocation: place)
    }

    private func failure(_ request: HTTPRequest) async -> HTTPFailure? {
        await #expect(throws: HTTPFailure.self) { try await http.send(request) }
    }

    @Test func requestAndAnswerArriveWhole() async throws {
        try await withScriptedHTTPServer { server in
            server.on("POST", "/base/a", [.answer(201, [1, 2, 3], headers: ["X-Note": " two words "])])
            let request = HTTPRequest(
                .post, try HTTPURL(server.url + "/base/"), "/a?b=c", headers: ["X-Key": "v"], body: [0, 255, 10])
            let response = try await http.send(request)
            #expect(response.status == 201)
            #expect(response.body == [1, 2, 3])
            #expect(response.headers["x-note"] == "two words")
            let received = try #require(server.requests().first)
            #expect(received.method == "POST")
            #expect(received.path == "/base/a")
            #expect(received.query == "b=c")
            #expect(received.headers["x-key"] == "v")
            #expect(received.headers["expect"] == nil)
            #expect(received.headers["accept-encoding"] == nil)
            #expect(received.body == [0, 255, 10])
        }
    }

    /// Some APIs say there alone why they refuse.
    @Test(arguments: [
        ("500 unable to find it: no such VM ", "unable to find it: no such VM"), ("500 ", ""), ("500", ""),
    ])
    func theReasonOfAStatusIsKept(line: String, reason: String) async throws {
        try await withScriptedHTTPServer { server in
            let head = "HTTP/1.1 \(line)\r\nContent-Length: 0\r\n\r\n"
            server.on("GET", "/a", [ScriptedHTTPServer.Reply([.send([UInt8](head.utf8))])])
            let response = try await http.send(try get(server, "/a"))
            #expect(response.status == 500 && response.reason == reason)
        }
    }

    @Test func aPostWithoutBodyAPutAPatchAndADelete() async throws {
        try await withScriptedHTTPServer { server in
            server.on("POST", "/a", [.answer(200)])
            server.on("PUT", "/a", [.answer(200)])
            server.on("PATCH", "/a", [.answer(200)])
            server.on("DELETE", "/a", [.answer(200)])
            _ = try await http.send(HTTPRequest(.post, try HTTPURL(server.url), "/a"))
            _ = try await http.send(HTTPRequest(.put, try HTTPURL(server.url), "/a", body: [1, 2]))
            _ = try await http.send(HTTPRequest(.patch, try HTTPURL(server.url), "/a", body: [3]))
            _ = try await http.send(HTTPRequest(.delete, try HTTPURL(server.url), "/a"))
            #expect(server.requests().map(\.method) == ["POST", "PUT", "PATCH", "DELETE"])
            #expect(server.requests().map(\.body) == [[], [1, 2], [3], []])
            #expect(server.requests().first?.headers["content-length"] == "0")
        }
    }

    @Test func connectionsAreKeptButWhereAFreshOneIsAsked() async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/a", [.answer(200)])
            _ = try await http.send(get(server, "/a"))
            _ = try await http.send(get(server, "/a"))
            #expect(server.connections == 1)
            var fresh = try get(server, "/a")
            fresh.needsFreshConnection = true
            _ = try await http.send(fresh)
            #expect(server.connections == 2)
        }
    }

    @Test func manyAtOnce() async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/*") { request, _ in .answer(200, [UInt8](request.path.utf8)) }
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<50 {
                    group.addTask {
                        let response = try await http.send(get(server, "/\(number)"))
                        return response.body == [UInt8]("/\(number)".utf8)
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    /// Also where all threads on which Tasks run wait so: none of them waits for another.
    @Test func whoWaitsNeedsNoOther() async {
        await #expect(processExitsWith: .success) {
            alarm(60)
            let server = try ScriptedHTTPServer()
            server.on("GET", "/", [.success(200, true, after: .milliseconds(100))])
            let client = try HTTPClient()
            let request = HTTPRequest(.get, try HTTPURL(server.url), "/")
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<4 * ProcessInfo.processInfo.activeProcessorCount {
                    group.addTask { try client.sendAndWait(request).status }
                }
                for try await status in group where status != 200 { exit(1) }
            }
            exit(0)
        }
    }

    @Test func unreachableServersAreToldApart() async throws {
        try await expect(.connectFailed, HTTPRequest(.get, HTTPURL("http://127.0.0.1:\(try refusingPort())"), "/"))
        try await expect(.nameNotResolved, HTTPRequest(.get, HTTPURL("http://no-such-host.invalid"), "/"))
        let plain = try LoopbackListener { descriptor, _ in
            _ = sendAll([UInt8]("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), to: descriptor)
        }
        defer { plain.stop() }
        try await expect(.tlsFailed, HTTPRequest(.get, HTTPURL("https://127.0.0.1:\(plain.port)"), "/"))
    }

    /// By an authority of the system's or of the request's own, for this name, and now.
    @Test func aCertificateHasToHold() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            let stranger = try await TestAuthority(in: folder, named: "stranger")
            for (server, trusted, isRefused) in [
                (try await authority.server(), authority, false),
                (try await authority.server(), stranger, true),
                (try await authority.server(), nil, true),
                (try await authority.server("elsewhere", names: "DNS:elsewhere.example"), authority, true),
                (try await authority.server("expired", days: -1), authority, true),
            ] {
                let server = try await TLSServer.start(server, .answers, in: folder)
                defer { server.stop() }
                var request = HTTPRequest(.get, try HTTPURL(server.url), "/")
                request.authorities = try trusted.map { try TrustedAuthorities(file: $0.certificate) }
                if isRefused {
                    let failure = await failure(request)
                    #expect(failure?.kind == .certificateRefused)
                    #expect(failure?.neverArrived == true)
                    #expect(failure?.detail.contains("certificate") == true, "\(String(describing: failure))")
                } else {
                    #expect(try await http.send(request).status == 200)
                }
            }
        }
    }

    /// Nobody need vouch for it, and its name may be another; any other key is refused before the request is sent.
    @Test func aServerIsKnownByItsKeyAlone() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            let known = try await authority.server("elsewhere", names: "DNS:elsewhere.example", days: -1)
            let other = try await authority.server("other")
            for (pinned, isRefused) in [(known, false), (other, true)] {
                let server = try await TLSServer.start(known, .answers, in: folder)
                defer { server.stop() }
                var request = HTTPRequest(.get, try HTTPURL(server.url), "/")
                request.pinnedKey = try PinnedKey(certificateFile: pinned.certificate)
                if isRefused {
                    let failure = await failure(request)
                    #expect(failure?.kind == .certificateRefused)
                    #expect(failure?.neverArrived == true)
                } else {
                    #expect(try await http.send(request).status == 200)
                }
            }
            for file in [known.key, folder.appending(path: "none.pem").path] {
                #expect(throws: UnusableAuthorities.self) { try PinnedKey(certificateFile: file) }
            }
        }
    }

    @Test func authoritiesAreCertificatesInPEM() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            let pem = try String(contentsOfFile: authority.certificate, encoding: .utf8)
            let file = folder.appending(path: "ca.pem").path
            let damaged = pem.replacingOccurrences(of: "MII", with: "MIJ")
            for (text, isGood) in [
                (pem, true), ("# Ours\n\(pem)\n\(pem)\n", true), ("", false), ("no PEM", false), (damaged, false),
                (pem + damaged, false), (String(pem.prefix(pem.count / 2)), false),
                (try String(contentsOfFile: try await authority.server().key, encoding: .utf8), false),
            ] {
                try text.write(toFile: file, atomically: true, encoding: .utf8)
                let authorities = try? TrustedAuthorities(file: file)
                #expect((authorities != nil) == isGood, "\(text)")
            }
            for path in [folder.path, folder.appending(path: "missing").path] {
                let error = #expect(throws: UnusableAuthorities.self) { try TrustedAuthorities(file: path) }
                #expect(error?.reason.hasPrefix("cannot be read: ") == true)
            }
        }
    }

    /// Asked by a request that holds nothing of the caller's.
    @Test func theOtherSchemeIsFoundOut() async throws {
        try await withTemporaryFolder { folder in
            let server = try await TLSServer.start(try await TestAuthority(in: folder).server(), .answers, in: folder)
            defer { server.stop() }
            #expect(try await speaksOtherScheme("http://127.0.0.1:\(server.port)"))
            #expect(try await !speaksOtherScheme(server.url))
        }
        try await withScriptedHTTPServer { server in
            let isPlain = try await speaksOtherScheme("https://127.0.0.1:\(server.port)")
            #expect(isPlain)
            // As servers of HTTPS answer who speaks no TLS to them.
            server.on("GET", "/", [.answer(400)])
            #expect(try await !speaksOtherScheme("https://127.0.0.1:\(server.port)"))
        }
        let port = try refusingPort()
        for scheme in ["http", "https"] {
            #expect(try await !speaksOtherScheme("\(scheme)://127.0.0.1:\(port)"))
        }
    }

    private func speaksOtherScheme(_ url: String) async throws -> Bool {
        await http.speaksOtherScheme(than: try HTTPURL(url))
    }

    @Test func serversThatDoNotAnswerTimeOut() async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/hang", [.hang])
            server.on("GET", "/half", [.init([.send(ScriptedHTTPServer.Reply.head(200, [:])), .hang])])
            for path in ["/hang", "/half"] {
                // A busy machine may not come to connect in the shortest time.
                let kind = try await withEnoughTime(from: .milliseconds(100)) { time in
                    try await failure(get(server, path, timeout: time))?.kind
                } wasEnough: {
                    $0 == .answerTimedOut
                }
                #expect(kind == .answerTimedOut)
            }
        }
    }

    @Test func aServerThatTakesNoConnectionTimesOut() async throws {
        // TLS that never begins counts as connecting.
        let listener = try LoopbackListener { descriptor, _ in
            var byte: UInt8 = 0
            while recv(descriptor, &byte, 1, 0) > 0 {}
        }
        defer { listener.stop() }
        var request = HTTPRequest(.get, try HTTPURL("https://127.0.0.1:\(listener.port)"), "/")
        request.connectTimeout = .milliseconds(100)
        await expect(.connectTimedOut, request)
    }

    @Test(arguments: ["/reset", "/close", "/truncated"])
    func lostConnections(path: String) async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/reset", [.reset])
            server.on("GET", "/close", [.close])
            server.on("GET", "/truncated", [.truncated(200, [UInt8](repeating: 65, count: 1000))])
            try await expect(.connectionLost, get(server, path))
        }
    }

    @Test func bodiesAreBounded() async throws {
        try await withScriptedHTTPServer { server in
            let most = [UInt8](repeating: 65, count: HTTPResponse.bodyLimit)
            server.on("GET", "/most", [.answer(200, most)])
            server.on("GET", "/more", [.answer(200, most + [65])])
            server.on("GET", "/endless", [.endless(200)])
            server.on(
                "GET", "/headers",
                [
                    .init([
                        .send([UInt8]("HTTP/1.1 200 OK\r\n".utf8)),
                        .flood([UInt8]("X-More: \(String(repeating: "x", count: 1000))\r\n".utf8)),
                    ])
                ])
            #expect(try await http.send(get(server, "/most")).body.count == HTTPResponse.bodyLimit)
            try await expect(.answerTooLarge, get(server, "/more"))
            try await expect(.answerTooLarge, get(server, "/endless"))
            try await expect(.answerTooLarge, get(server, "/headers"))
        }
    }

    @Test func compressedBodiesAreNotUnpacked() async throws {
        try await withScriptedHTTPServer { server in
            // The first bytes of a gzip stream.
            let packed: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0]
            server.on("GET", "/", [.answer(200, packed, headers: ["Content-Encoding": "gzip"])])
            let response = try await http.send(get(server, "/"))
            #expect(response.body == packed)
        }
    }

    @Test(arguments: ["http://127.0.0.1:1/other", "file:///etc/passwd"])
    func redirectsAreNotFollowed(location: String) async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/", [.answer(302, headers: ["Location": location])])
            let response = try await http.send(get(server, "/"))
            #expect(response.status == 302)
            #expect(response.body.isEmpty)
        }
    }

    @Test func garbageIsNoAnswer() async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/", [.init([.send([UInt8]("SSH-2.0-OpenSSH_9.2\r\n".utf8)), .close])])
            try await expect(.notHTTP, get(server, "/"))
        }
    }

    @Test func cancellingEndsTheRequestAtOnce() async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/", [.hang])
            let task = Task { try await http.send(get(server, "/", timeout: .seconds(600))) }
            #expect(await eventually { server.requests().count == 1 })
            let start = ContinuousClock.now
            task.cancel()
            let error = await #expect(throws: HTTPFailure.self) { try await task.value }
            #expect(error?.kind == .cancelled)
            #expect(ContinuousClock.now - start < .seconds(300))
            // The connection goes with it.
            #expect(await eventually { server.openConnections == 0 })
        }
    }

    @Test func aCancelledTaskSendsNothing() async throws {
        try await withScriptedHTTPServer { server in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                _ = try await http.send(get(server, "/"))
            }
            let error = await #expect(throws: HTTPFailure.self) { try await task.value }
            #expect(error?.kind == .cancelled)
            #expect(server.connections == 0)
        }
    }

    @Test func aClientThatGoesEndsItsRequests() async throws {
        try await withScriptedHTTPServer { server in
            server.on("GET", "/", [.answer(200)])
            do {
                let other = try HTTPClient()
                _ = try await other.send(get(server, "/"))
                #expect(server.openConnections == 1)
            }
            #expect(await eventually { server.openConnections == 0 })
        }
    }

    @Test func headersCannotBeSmuggled() async throws {
        try await withScriptedHTTPServer { server in
            var request = try get(server, "/")
            request.headers["Authorization"] = "Bearer x\r\nX-Other: y"
            await expect(.requestInvalid, request)
            #expect(server.connections == 0)
        }
    }
}
