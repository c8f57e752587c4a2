import LianModel
import LianOrchestratorClient
import LianSystem
import LianTestSupport
import Testing

/// Asking for a runner's volume to be kept, and whether volumes are offered at all.
@Suite struct OrchestratorKeepTests {
    private static let route = "/api/v1/runners/r-1/keep"
    private static let request = KeepRequest(outcome: .succeeded, executedMS: 12_345)
    private static let kept: JSONValue = ["kept": true, "volume": "ci/acme/app", "generation": 8, "bytes": 9000]

    private func outcome(_ replies: [ScriptedHTTPServer.Reply]) async throws
        -> (outcome: KeepOutcome, asked: [ScriptedHTTPServer.Request], waited: Duration)
    {
        try await withOrchestrator { server, client, time in
            server.on("POST", Self.route, replies)
            let outcome = await client.keep("r-1", Self.request)
            return (outcome, server.requests(), time.sleeps.reduce(.zero, +))
        }
    }

    @Test func itIsAskedUntilThereIsAnAnswer() async throws {
        let name = try #require(VolumeName("ci/acme/app"))
        let kept = ScriptedHTTPServer.Reply.success(200, Self.kept)
        let busy = ScriptedHTTPServer.Reply.failure(
            429, code: "capacity", message: "busy", headers: ["Retry-After": "2"])
        for replies in [[kept], [.answer(500), .answer(502), kept], [.reset, .close, kept], [busy, kept]] {
            let (outcome, asked, _) = try await outcome(replies)
            #expect(outcome == .answered(.kept(name, generation: 8, bytes: 9000)))
            #expect(asked.map(\.json) == Array(repeating: Self.request.json, count: replies.count))
            #expect(asked[0].headers["authorization"] == "Bearer t0ken")
        }
    }

    @Test func whatIsDiscardedIsToldWithItsReason() async throws {
        for reason in VolumeDiscardReason.allCases {
            let (outcome, _, _) = try await outcome([
                .success(200, ["kept": false, "reason": .string(reason.rawValue)])
            ])
            #expect(outcome == .answered(.discarded(reason)))
        }
        // One of another orchestrator, which repeats the token.
        let (other, _, _) = try await outcome([.success(200, ["kept": false, "reason": "moon\n t0ken"])])
        guard case .answered(let answer) = other else { throw Unexpected() }
        #expect(answer.reason == "moon  ***")
    }

    @Test(arguments: [
        (404, VolumeTrouble.notServed), (409, .notReady), (410, .runnerGone), (400, .refused), (401, .refused),
        (403, .refused), (302, .refused),
    ])
    func whatIsRefusedIsNotAskedAgain(status: Int, trouble: VolumeTrouble) async throws {
        let (outcome, asked, _) = try await outcome([.failure(status, code: "no", message: "because of t0ken")])
        guard case .refused(let told, let said) = outcome else { throw Unexpected() }
        #expect(told == trouble && asked.count == 1)
        #expect(said.contains("answered \(status) (no: because of ***)"))
    }

    @Test(arguments: [500, 503, 429]) func itEndsInFifteenSeconds(status: Int) async throws {
        let (outcome, asked, waited) = try await outcome([.answer(status)])
        guard case .unknown(let said) = outcome else { throw Unexpected() }
        #expect(said.contains("answered \(status)") && asked.count > 3)
        #expect(waited <= OrchestratorClient.keepBudget)
    }

    @Test(arguments: ["[", "{}", #"{"success":true,"data":{"kept":"yes"}}"#, #"{"success":false,"data":null}"#])
    func anAnswerThatIsNoneIsUnknown(body: String) async throws {
        let (outcome, asked, _) = try await outcome([.answer(200, Array(body.utf8))])
        guard case .unknown = outcome else { throw Unexpected() }
        #expect(asked.count == 1)
    }

    @Test func oneThatHangsIsLeftInTime() async throws {
        try await withOrchestratorInRealTime { server, client in
            for reply in [ScriptedHTTPServer.Reply.hang, .endless(200)] {
                server.on("POST", Self.route, [reply])
                let start = ContinuousClock.now
                guard case .unknown = await client.keep("r-1", Self.request, within: .milliseconds(300)) else {
                    throw Unexpected()
                }
                #expect(ContinuousClock.now - start < .seconds(25))
            }
        }
    }

    @Test func cancellingEndsIt() async throws {
        try await withOrchestratorInRealTime { server, client in
            server.on("POST", Self.route, [.hang])
            let task = Task { await client.keep("r-1", Self.request, within: .seconds(600)) }
            #expect(await eventually { server.requests().count == 1 })
            task.cancel()
            guard case .unknown = await task.value else { throw Unexpected() }
        }
    }

    @Test(
        arguments: [
            (["volumes": "clone"], VolumeSupport.clone, true), (["volumes": "exclusive"], .exclusive, true),
            (["volumes": "none"], VolumeSupport.none, false), (["volumes": "on-the-moon"], VolumeSupport.none, false),
            (["volumes": 7], VolumeSupport.none, false), (["volumes": nil], nil, false), ([:], nil, false),
        ] as [([String: JSONValue], VolumeSupport?, Bool)])
    func whetherVolumesAreOffered(more: [String: JSONValue], support: VolumeSupport?, areOffered: Bool) async throws {
        try await withOrchestrator { server, client, _ in
            let health: [String: JSONValue] = ["status": "ok", "version": "1.1"]
            server.on("GET", "/healthz", [.success(200, .object(health.merging(more) { $1 }))])
            let told = try await client.health(within: .seconds(60))
            #expect(told.volumes == support && told.offersVolumes == areOffered)
        }
    }

    /// What an orchestrator says of a runner's volume is shown, so it must not repeat the token.
    @Test func aReasonForColdnessIsMasked() async throws {
        try await withOrchestrator { server, client, time in
            let volume: JSONValue = ["state": "cold", "reason": "no t0ken\u{1B}[2J"]
            server.on("POST", "/api/v1/runners", [.success(201, runnerData(["volume": volume]))])
            let runner = try await client.spawn(spawnRequest, key: spawnKey, until: time.timing.now() + .seconds(60))
            #expect(runner.volume?.reason == "no *** [2J")
        }
    }
}

private struct Unexpected: Error {}
