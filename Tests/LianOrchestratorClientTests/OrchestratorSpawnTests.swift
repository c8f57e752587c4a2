import Glibc
import LianHTTP
import LianModel
import LianOrchestratorClient
import LianSystem
import LianTestSupport
import Synchronization
import Testing

private typealias Reply = ScriptedHTTPServer.Reply

@Suite struct OrchestratorSpawnTests {
    private let route = "/api/v1/runners"

    private func spawnFailure(
        _ replies: [ScriptedHTTPServer.Reply], within duration: Duration = .seconds(300), token: String? = "t0ken"
    ) async throws -> (failure: SpawnFailure, asked: Int, time: SkippedTime) {
        try await withOrchestrator(token: token) { server, client, time in
            server.on("POST", route, replies)
            let failure = await #expect(throws: SpawnFailure.self) {
                try await client.spawn(spawnRequest, key: spawnKey, until: time.timing.now() + duration)
            }
            return (try #require(failure), server.requests("POST", route).count, time)
        }
    }

    @Test func theRequestIsWhatTheContractAsks() async throws {
        try await withOrchestrator { server, client, time in
            server.on("POST", route, [.success(201, runnerData())])
            let runner = try await client.spawn(spawnRequest, key: spawnKey, until: time.timing.now() + .seconds(50))
            #expect(runner.runnerID == "r-1")
            let received = try #require(server.requests().first)
            #expect(received.headers["idempotency-key"] == spawnKey)
            #expect(received.headers["authorization"] == "Bearer t0ken")
            #expect(received.headers["content-type"] == "application/json")
            #expect(received.json == spawnRequest.json)
        }
    }

    /// It would be cut off, and its silence would stand for the refusal that is known.
    @Test func noTryIsSqueezedIntoTheLastMoment() async throws {
        let full = Reply.failure(429, code: "capacity", message: "full", headers: ["Retry-After": "60"])
        let (failure, asked, _) = try await spawnFailure([full], within: .milliseconds(60_100))
        #expect(asked == 1)
        #expect(failure.error.code == .noCapacity && !failure.mayHaveSpawned)
    }

    /// Who reads that it asks again can rely on it.
    @Test func whoDoesNotAskAgainDoesNotSaySo() async throws {
        try await withOrchestrator { server, client, time in
            server.on("POST", route, [.failure(429, code: "capacity", message: "full", headers: ["Retry-After": "60"])])
            let reasons = Mutex<[String]>([])
            await #expect(throws: SpawnFailure.self) {
                try await client.spawn(spawnRequest, key: spawnKey, until: time.timing.now() + .seconds(50)) { reason in
                    reasons.withLock { $0.append(reason) }
                }
            }
            #expect(reasons.withLock { $0 } == [])
            #expect(server.requests("POST", route).count == 1)
        }
    }

    @Test func aLostAnswerIsAskedForWithTheSameKey() async throws {
        try await withOrchestrator { server, client, time in
            server.on(
                "POST", route,
                [
                    .reset, .close, .truncated(201, runnerData().encodedBytes()), .answer(502), .answer(504),
                    .success(200, runnerData()),
                ])
            let reasons = Mutex<[String]>([])
            let runner = try await client.spawn(
                spawnRequest, key: spawnKey, until: time.timing.now() + .seconds(300)
            ) { reason in
                reasons.withLock { $0.append(reason) }
            }
            #expect(runner.runnerID == "r-1")
            // Said once, so that nobody waits without a word.
            #expect(reasons.withLock { $0.count } == 1)
            let received = server.requests()
            #expect(received.count == 6)
            #expect(Set(received.map { $0.headers["idempotency-key"] }) == [spawnKey])
            #expect(Set(received.map(\.body)).count == 1)
            // None of them by libcurl's own repeating on a kept connection.
            #expect(Set(received.map(\.connection)).count == 6)
        }
    }

    @Test func aKeptConnectionIsNotUsedForSpawning() async throws {
        try await withOrchestrator { server, client, time in
            server.on("GET", "/healthz", [.success(200, ["status": "ok", "version": "1"])])
            server.on("POST", route, [.success(201, runnerData())])
            _ = try await client.health(within: .seconds(60))
            _ = try await client.spawn(spawnRequest, key: spawnKey, until: time.timing.now() + .seconds(50))
            #expect(server.requests().map(\.connection) == [0, 1])
        }
    }

    /// The waits before the second try, in milliseconds.
    private func waits(retryAfter header: String) async throws -> [Int] {
        try await withOrchestrator { server, client, time in
            server.on(
                "POST", route,
                [
                    .failure(503, code: "unavailable", message: "starting", headers: ["Retry-After": header]),
                    .success(201, runnerData()),
                ])
            _ = try await client.spawn(spawnRequest, key: spawnKey, until: time.timing.now() + .seconds(7200))
            return time.sleeps.map(\.milliseconds)
        }
    }

    @Test(arguments: ["7": 7000, "soon": 199, "Thu, 01 Jan 2015 00:00:09 GMT": 199])
    func retryAfterIsHonoured(header: String, milliseconds: Int) async throws {
        #expect(try await waits(retryAfter: header) == [milliseconds])
    }

    @Test func retryAfterMayBeADate() async throws {
        var moment = time(nil) + 3600
        let date = [CChar](unsafeUninitializedCapacity: 64) { buffer, count in
            count = strftime(buffer.baseAddress, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&moment))
        }
        let header = String(decoding: date.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let wait = try #require(try await waits(retryAfter: header).first)
        #expect((1_800_000...3_600_000).contains(wait))
    }

    @Test func aWaitBeyondTheDeadlineIsNotMade() async throws {
        let (failure, asked, time) = try await spawnFailure(
            [.failure(429, code: "capacity", message: "full", headers: ["Retry-After": "3600"])])
        #expect(failure.error.code == .noCapacity)
        #expect(asked == 1)
        #expect(time.sleeps.isEmpty)
    }

    @Test func pausesGrowToTheCapWithinTheDeadline() async throws {
        let (failure, _, time) = try await spawnFailure(
            [.failure(503, code: "unavailable", message: "down")], within: .seconds(60))
        #expect(failure.error.code == .orchestratorUnreachable)
        #expect(failure.error.message.contains("answered 503 (unavailable: down)"))
        #expect(!failure.mayHaveSpawned)
        let tenths = time.sleeps.map { Int(($0 / .milliseconds(100)).rounded()) }
        #expect(tenths.prefix(7) == [2, 4, 8, 16, 32, 50, 50])
        let total = time.sleeps.reduce(.zero, +)
        #expect(total <= .seconds(60) && total > .seconds(50))
    }

    @Test func noCapacityIsToldApart() async throws {
        let (failure, asked, _) = try await spawnFailure([.failure(429, code: "capacity", message: "full")])
        #expect(failure.error.code == .noCapacity)
        #expect(failure.error.phase == .spawn)
        #expect(!failure.mayHaveSpawned)
        #expect(asked > 10)
    }

    @Test(arguments: [401, 403])
    func refusalsAreNotRetriedAndNameTheToken(status: Int) async throws {
        for token in ["t0ken", nil] {
            let (failure, asked, _) = try await spawnFailure(
                [.json(status, ["success": false, "error": "who are you, t0ken?"])], token: token)
            #expect(failure.error.code == .orchestratorRefused)
            #expect(failure.error.hint.contains("ORCHESTRATOR_TOKEN"))
            #expect(failure.error.message.contains("who are you"))
            #expect(token == nil || !failure.error.message.contains("t0ken"))
            #expect(asked == 1)
        }
    }

    /// What helps depends on why the token is not taken.
    @Test(arguments: [
        (403, "forbidden", "the token 't' is not for workspace 'acme'", "a token of this workspace"),
        (403, "forbidden", "the token 't' is not for volumes of the layer 'ci'", "--actor ID"),
        (403, "forbidden", "the token 't' is not for volumes of the layer 'dev'", "without --actor"),
        (403, "forbidden", "the token 't' has the role 'read', which may not do this", "good for less"),
        (401, "unauthorized", "the token 't' has expired: whoever runs this orchestrator can renew it", "a new one"),
        (401, "unauthorized", "the token is none of this orchestrator's", "is one of this orchestrator's"),
        (429, "too_many_failures", "too many requests from this address", "Wait a minute"),
    ])
    func theHintSaysWhatTheTokenLacks(status: Int, code: String, message: String, hint: String) async throws {
        let (failure, asked, _) = try await spawnFailure([.failure(status, code: code, message: message)])
        #expect(failure.error.code == .orchestratorRefused && asked == 1)
        #expect(failure.error.hint.contains(hint), "\(failure.error.hint)")
    }

    /// A web server, say.
    @Test(arguments: [(404, "<h1>Not Found</h1>"), (405, ""), (404, #"{"detail": "Not Found"}"#), (200, "It works!")])
    func whatIsNoOrchestratorIsToldApart(status: Int, body: String) async throws {
        let (failure, asked, _) = try await spawnFailure([.answer(status, Array(body.utf8))])
        #expect(failure.error.code == .orchestratorAnswerInvalid && asked == 1)
        #expect(failure.error.hint.contains("--orchestrator-url"))
    }

    /// Wherever it stands, and where an error would cut it.
    @Test func anAnswerThatRepeatsTheTokenIsNotQuoted() async throws {
        let token = String(repeating: "long-token", count: 60)
        for change: [String: JSONValue] in [["host": .string(". \(token)")], ["user": .string("\n\(token)")]] {
            let (failure, _, _) = try await spawnFailure([.success(201, runnerData(change))], token: token)
            #expect(failure.error.code == .orchestratorAnswerInvalid)
            #expect(!failure.error.message.contains("long-tok"), "\(failure.error.message)")
        }
        let (failure, _, _) = try await spawnFailure([.failure(422, code: "no", message: "not \(token)")], token: token)
        #expect(failure.error.message.contains("answered 422 (no: not ***)"))
    }

    @Test(arguments: [400, 404, 409, 413, 422, 500])
    func refusedSpawnsAreNotRetried(status: Int) async throws {
        let (failure, asked, _) = try await spawnFailure([.failure(status, code: "nope", message: "no\u{1B}[31m")])
        #expect(failure.error.code == .spawnRefused)
        #expect(failure.error.message.contains("answered \(status) (nope: no [31m)"))
        #expect(asked == 1)
        #expect(failure.mayHaveSpawned == (status == 500))
    }

    @Test(arguments: ["http://127.0.0.1:1/", "file:///etc/passwd"])
    func redirectsAreNotFollowed(location: String) async throws {
        let (failure, asked, _) = try await spawnFailure([.answer(307, headers: ["Location": location])])
        #expect(failure.error.code == .orchestratorAnswerInvalid)
        #expect(failure.error.message.contains("redirects are not followed"))
        #expect(asked == 1)
    }

    @Test func oversizedAnswersEndIt() async throws {
        for reply in [
            Reply.answer(201, [UInt8](repeating: 0x20, count: 2 << 20)), .endless(201),
            .endless(201, headers: ["Content-Encoding": "gzip"]),
        ] {
            let (failure, asked, _) = try await spawnFailure([reply])
            #expect(failure.error.code == .orchestratorAnswerInvalid)
            #expect(failure.mayHaveSpawned)
            #expect(asked == 1)
        }
    }

    @Test func anOrchestratorThatNeverAnswersIsLeftAtTheDeadline() async throws {
        try await withOrchestratorInRealTime { server, client in
            server.on("POST", route, [.hang])
            let start = ContinuousClock.now
            // A busy machine may not come to ask in the shortest time.
            let failure = await withEnoughTime(from: .milliseconds(300)) { time in
                await #expect(throws: SpawnFailure.self) {
                    try await client.spawn(spawnRequest, key: spawnKey, until: .now + time)
                }
            } wasEnough: {
                $0?.mayHaveSpawned == true
            }
            #expect(failure?.error.code == .orchestratorUnreachable)
            #expect(failure?.mayHaveSpawned == true)
            #expect(ContinuousClock.now - start < .seconds(25))
        }
    }

    /// Who waits without a word, for an orchestrator that was not started, would wait long.
    @Test(arguments: ["127.0.0.1", "localhost"])
    func anOrchestratorThatIsNotThereIsTriedTwiceOnThisMachine(host: String) async throws {
        let (failure, reasons, time) = try await spawnFailure(at: "http://\(host):\(try refusingPort())")
        #expect(failure.error.code == .orchestratorUnreachable)
        #expect(failure.error.hint.contains("lian-orchestrator"))
        #expect(!failure.mayHaveSpawned)
        #expect(time.sleeps.count == 1 && time.sleeps.reduce(.zero, +) < .seconds(2))
        #expect(reasons.count == 1 && reasons[0].contains("no connection can be made"))
    }

    @Test func namesThatCannotBeResolvedAreGivenSomePatience() async throws {
        let (failure, reasons, time) = try await spawnFailure(at: "http://no-such-host.invalid:9011")
        #expect(failure.error.code == .orchestratorUnreachable)
        #expect(failure.error.message.contains("cannot be resolved"))
        #expect(!failure.mayHaveSpawned)
        let total = time.sleeps.reduce(.zero, +)
        #expect(total >= .seconds(5) && total < .seconds(20))
        #expect(reasons.count == 1)
    }

    /// Waiting helps nobody whose token is wrong, although others may have been at fault before.
    @Test func failuresTooManyAreNoCapacity() async throws {
        try await withOrchestrator { server, client, time in
            server.on(
                "POST", "/api/v1/runners",
                [.failure(429, code: "too_many_failures", message: "no", headers: ["Retry-After": "40"])])
            let failure = await #expect(throws: SpawnFailure.self) {
                try await client.spawn(spawnRequest, key: spawnKey, until: time.timing.now() + .seconds(300)) { _ in }
            }
            #expect(failure?.error.code == .orchestratorRefused)
            #expect(failure?.error.hint.contains("ORCHESTRATOR_TOKEN") == true)
            #expect(time.sleeps.isEmpty)
        }
    }

    /// Neither is retried: no restart of the orchestrator mends the URL.
    @Test func theWrongSchemeIsTold() async throws {
        let plain = try LoopbackListener { descriptor, _ in
            var head = [UInt8](repeating: 0, count: 4096)
            guard recv(descriptor, &head, head.count, 0) > 0, head.starts(with: Array("GET ".utf8)) else { return }
            _ = sendAll(Array("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".utf8), to: descriptor)
        }
        defer { plain.stop() }
        let (failure, reasons, time) = try await spawnFailure(at: "https://127.0.0.1:\(plain.port)")
        #expect(failure.error.code == .orchestratorUnreachable && !failure.mayHaveSpawned)
        #expect(failure.error.message.contains("it speaks plain HTTP"))
        #expect(failure.error.hint.contains("--orchestrator-url http://127.0.0.1:\(plain.port) "))
        #expect(reasons.isEmpty && time.sleeps.isEmpty)
        try await withTemporaryFolder { folder in
            let server = try await TLSServer.start(try await TestAuthority(in: folder).server(), .tells, in: folder)
            defer { server.stop() }
            let (failure, reasons, time) = try await spawnFailure(at: "http://127.0.0.1:\(server.port)")
            #expect(failure.error.code == .orchestratorUnreachable && !failure.mayHaveSpawned)
            #expect(failure.error.message.contains("it speaks TLS"))
            #expect(failure.error.hint.contains("--orchestrator-url \(server.url) "))
            #expect(reasons.isEmpty && time.sleeps.isEmpty)
        }
    }

    /// A server that goes away in the middle of the handshake, as one that is restarted does, is asked again.
    @Test func aHandshakeThatBreaksOffIsTriedAgain() async throws {
        let listener = try LoopbackListener { descriptor, _ in
            var byte: UInt8 = 0
            _ = recv(descriptor, &byte, 1, 0)
        }
        defer { listener.stop() }
        let (failure, reasons, time) = try await spawnFailure(at: "https://127.0.0.1:\(listener.port)")
        #expect(failure.error.code == .orchestratorUnreachable && !failure.mayHaveSpawned)
        #expect(failure.error.message.contains("TLS failed"))
        let total = time.sleeps.reduce(.zero, +)
        #expect(total >= .seconds(5) && total < .seconds(20))
        #expect(reasons.count == 1)
    }

    /// Of an orchestrator that is not there.
    private func spawnFailure(
        at url: String
    ) async throws -> (failure: SpawnFailure, reasons: [String], time: SkippedTime) {
        let time = SkippedTime()
        let client = try OrchestratorClient(
            server: HTTPURL(url), token: nil, http: HTTPClient(), timing: time.timing)
        let reasons = Mutex<[String]>([])
        let failure = await #expect(throws: SpawnFailure.self) {
            try await client.spawn(spawnRequest, key: spawnKey, until: time.timing.now() + .seconds(300)) { reason in
                reasons.withLock { $0.append(reason) }
            }
        }
        return (try #require(failure), reasons.withLock { $0 }, time)
    }

    @Test(arguments: [
        (
            #"{"success":true,"data":{"runner_id":"r-1","state":"ready","workspace":"acme","host":7}}"#,
            "data.host: must be a string"
        ),
        (
            #"{"success":true,"data":{"runner_id":"r-1","state":"up","workspace":"acme"}}"#,
            "data.state: must be pending"
        ),
        (
            #"{"success":true,"data":{"runner_id":"r-1","state":"ready","workspace":"acme","port":70000}}"#,
            "data.port: must be"
        ),
        (#"{"success":true,"data":{"runner_id":"r-1","workspace":"acme"}}"#, "data.state: is required"),
        (
            #"{"success":false,"data":{"runner_id":"r-1"},"error":"odd"}"#,
            "success: is false although the status is 201"
        ),
    ])
    func wrongTypesNameTheirPathAndTheRunner(body: String, message: String) async throws {
        let (failure, asked, _) = try await spawnFailure([.answer(201, [UInt8](body.utf8))])
        #expect(failure.error.code == .orchestratorAnswerInvalid)
        #expect(failure.error.message.contains(message), "\(failure.error.message)")
        #expect(failure.runnerID == "r-1")
        #expect(!failure.mayHaveSpawned)
        #expect(asked == 1)
    }

    @Test(arguments: [
        "", "null", "[]", "{", #"{"success":true}"#, #"{"success":true,"data":null}"#, #"{"success":1,"data":{}}"#,
        #"{"success":true,"data":{"runner_id":"../../x"}}"#, "<html>", "\u{1F}\u{8B}",
    ])
    func unreadableAnswersAreInvalid(body: String) async throws {
        let (failure, _, _) = try await spawnFailure([.answer(201, [UInt8](body.utf8))])
        #expect(failure.error.code == .orchestratorAnswerInvalid)
        #expect(failure.runnerID == nil)
        #expect(failure.mayHaveSpawned)
    }

    @Test(
        arguments: [
            ["host": "a b"], ["host": ""], ["host": "a'b"], ["user": "x\ny"], ["user": "\"x\""], ["work_dir": "build"],
            ["work_dir": "/a/../b"], ["work_dir": "/a b"], ["work_dir": "/a\u{2028}"], ["buildkit_addr": "unix:///x y"],
            ["host_keys": ["ssh-ed25519 AAAA"]], ["host_keys": ["ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA=="]],
            ["host_keys": ["nonsense"]],
        ] as [[String: JSONValue]])
    func whatCouldDoHarmIsRefusedOnArrival(change: [String: JSONValue]) async throws {
        let (failure, _, _) = try await spawnFailure([.success(201, runnerData(change))])
        #expect(failure.error.code == .orchestratorAnswerInvalid)
        let name = try #require(change.keys.first)
        #expect(failure.error.message.contains("data.\(name)"), "\(failure.error.message)")
        #expect(failure.runnerID == "r-1")
    }

    @Test func cancellingInMidSpawnLeavesTheKeyToAskWith() async throws {
        try await withOrchestrator { server, client, time in
            server.on("POST", route, [.hang, .success(200, pendingRunner)])
            server.on("DELETE", "/api/v1/runners/r-1", [.success(200, runnerData(["state": "gone"]))])
            let deadline = time.timing.now() + .seconds(300)
            let task = Task { try await client.spawn(spawnRequest, key: spawnKey, until: deadline) }
            #expect(await eventually { server.requests().count == 1 })
            task.cancel()
            let failure = await #expect(throws: SpawnFailure.self) { try await task.value }
            #expect(failure?.error == .cancelled(in: .spawn))
            #expect(failure?.mayHaveSpawned == true)

            // Cleaning up is not cancelled by what cancelled the build.
            let cleanup = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return await client.destroyWhatWasSpawned(by: spawnRequest, key: spawnKey)
            }
            let left = await cleanup.value
            #expect(left?.runnerID == "r-1")
            #expect(left?.outcome == .gone)
            #expect(server.requests().map(\.method) == ["POST", "POST", "DELETE"])
            #expect(Set(server.requests("POST").map { $0.headers["idempotency-key"] }) == [spawnKey])
        }
    }

    @Test func whatWasNeverSpawnedNeedsNoDestroying() async throws {
        try await withOrchestrator { server, client, _ in
            server.on("POST", route, [.failure(422, code: "invalid", message: "no")])
            #expect(await client.destroyWhatWasSpawned(by: spawnRequest, key: spawnKey) == nil)
        }
    }

    @Test func tokensThatCannotBeSentAreRefused() throws {
        let error = #expect(throws: LianError.self) {
            try OrchestratorClient(server: HTTPURL("http://127.0.0.1"), token: "a\nb", http: HTTPClient())
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.hint.contains("ORCHESTRATOR_TOKEN") == true)
    }
}
