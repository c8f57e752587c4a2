import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

/// What a build asks of its orchestrator for a volume, and what it makes of the answers.
@Suite struct VolumeTests {
    private static let asked: JSONValue = ["from": ["ci/acme/app"], "to": "ci/acme/app"]
    private static let warm: JSONValue = [
        "state": "warm", "from": "ci/acme/app", "generation": 7, "bytes": 754_000_000, "path": "/srv/volume",
    ]
    private static let kept = ScriptedHTTPServer.Reply.success(
        200, ["kept": true, "volume": "ci/acme/app", "generation": 8, "bytes": 9000])
    private static let log = """
        echo '#1 [1/3] FROM a'
        echo '#1 CACHED'
        echo '#2 [2/3] RUN make'
        echo '#2 DONE 1.5s'
        """

    private func cold(_ reason: String) -> JSONValue { ["state": "cold", "reason": .string(reason)] }

    private func spawned(_ runner: ScriptedRunner) -> [JSONValue] {
        runner.orchestrator.requests("POST", "/api/v1/runners").compactMap(\.json)
    }

    private func metrics(_ runner: ScriptedRunner) -> [JSONValue] {
        runner.orchestrator.requests("POST", "/api/v1/workspaces/acme/metrics").compactMap(\.json)
    }

    /// An orchestrator that offers none is spoken to as before there were volumes.
    @Test(arguments: ["1.0", "404", "garbage", "none", "unknown", "degraded", "hangs"])
    func anOrchestratorWithoutVolumes(kind: String) async throws {
        let replies: [String: ScriptedHTTPServer.Reply] = [
            "1.0": .success(200, ["status": "ok", "version": "1.0"]),
            "404": .failure(404, code: "not_found", message: "no"),
            "garbage": .answer(200, Array("<html>".utf8)),
            "none": .success(200, ["status": "ok", "version": "1.1", "volumes": "none"]),
            "unknown": .success(200, ["status": "ok", "version": "2.0", "volumes": ["clone"]]),
            "degraded": .success(200, ["status": "degraded", "version": "1.0", "reason": "no sshd"]),
            "hangs": .hang,
        ]
        try await withScriptedRunner { runner in
            runner.orchestrator.on("GET", "/healthz", [try #require(replies[kind])])
            let build = try await runner.start(runner.flags(try runner.context())).finished()
            #expect(build.status == 0 && build.warningCodes == [], "\(build.story)")
            #expect(build["volume"]["state"] == "none" && build["volume"]["name"] == "ci/acme/app")
            #expect(spawned(runner).count == 1 && spawned(runner)[0]["volume"] == Optional.none)
            #expect(metrics(runner).count == 1 && metrics(runner)[0]["volume_state"] == Optional.none)
            #expect(metrics(runner)[0]["kept"] == Optional.none)
            #expect(runner.keeps.isEmpty)
            #expect(!build.errorText.contains("volume"))
            try await runner.expectValid(build)
        }
    }

    @Test func nobodyIsAskedWhereItIsOff() async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(.null)
            let build = try await runner.start(runner.flags(try runner.context()) + ["--volume", "off"]).finished()
            #expect(build.status == 0 && build["volume"] == .null, "\(build.story)")
            #expect(runner.orchestrator.requests("GET", "/healthz").isEmpty && runner.keeps.isEmpty)
            #expect(spawned(runner)[0]["volume"] == Optional.none)
        }
    }

    @Test func aWarmRunnerIsToldOfAndKeptBeforeItGoes() async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(Self.warm, kept: [.reset, Self.kept])
            try runner.buildctl(Self.log)
            let report = try runner.file("report.html")
            let build = try await runner.start(
                runner.flags(try runner.context()) + ["--progress", "plain", "--report", report]
            ).finished()
            #expect(build.status == 0 && build.warningCodes == [], "\(build.story)")
            #expect(spawned(runner).map { $0["volume"] } == [Self.asked])
            #expect(
                runner.keeps.map(\.json) == Array(repeating: ["outcome": "succeeded", "executed_ms": 1500], count: 2))
            let destroyed = try #require(runner.orchestrator.requests("DELETE", "/api/v1/runners/*").first)
            let keep = try #require(runner.keeps.last)
            #expect(keep.time < destroyed.time)
            #expect(
                build["volume"] == [
                    "name": "ci/acme/app", "from": "ci/acme/app", "state": "warm", "generation": 7,
                    "bytes": 754_000_000, "kept": true, "reason": .null,
                ])
            // It waits for the volume, and tells what became of it.
            #expect(metrics(runner).map { $0["volume_state"] } == ["warm"] && metrics(runner)[0]["kept"] == true)
            for text in [
                "volume: warm, from ci/acme/app (generation 7, 754.0 MB)", "volume: kept for the next runner",
                "volume: warm, from ci/acme/app (generation 7, 754.0 MB); kept for the next runner",
            ] {
                #expect(build.errorText.contains("\(text)\n"), "\(build.story)")
            }
            let page = try String(contentsOfFile: report, encoding: .utf8)
            #expect(page.contains("generation 7, 754.0 MB") && page.contains("kept for the next runner"))
            try await runner.expectValid(build)
        }
    }

    /// After which ends the volume is kept, and as what.
    @Test(
        arguments: [
            ("exit 1", [], nil), ("exit 1", ["--actor", "ada"], "failed"),
            (
                "echo 'error: failed to solve: Unavailable: error reading from server: EOF' >&2; exit 1",
                ["--actor", "ada"], nil
            ),
            ("echo 'exit code: 137' >&2; exit 1", ["--actor", "ada", "--cpu", "16"], nil),
            ("exit 0", ["--actor", "ada"], "succeeded"),
        ] as [(String, [String], String?)])
    func ends(script: String, flags: [String], outcome: String?) async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(cold("none_yet"), kept: [Self.kept])
            try runner.buildctl("\(Self.log)\n\(script)")
            let build = try await runner.start(runner.flags(try runner.context()) + flags).finished()
            let told = runner.keeps.compactMap { $0.json?["outcome"]?.stringValue }
            #expect(told == [outcome].compactMap { $0 }, "\(build.story)")
            #expect(build["volume"]["kept"] == (outcome == nil ? JSONValue.null : true))
            #expect(build["volume"]["state"] == "cold" && build["volume"]["reason"] == "none_yet")
            // Nothing was there to be missed.
            #expect(!build.warningCodes.contains("volume_cold") && build.isRunnerDestroyed == true)
            try await runner.expectValid(build)
        }
    }

    @Test func afterASignalNothingIsKept() async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(Self.warm, kept: [Self.kept])
            try runner.buildctl("echo begun; exec sleep 600")
            let running = try runner.start(runner.flags(try runner.context()))
            try await running.says("begun\n")
            running.signal(SIGINT)
            let build = try await running.finished()
            #expect(build["status"] == "cancelled" && runner.keeps.isEmpty, "\(build.story)")
            #expect(build["volume"]["kept"] == .null && build.isRunnerDestroyed == true)
        }
    }

    /// Each attempt has a runner of its own, which is asked for with the same volume.
    @Test func theRetryAsksForTheSameVolume() async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(Self.warm, kept: [Self.kept])
            let marker = try runner.file("ran-out")
            unlink(marker)
            try runner.buildctl("[ -e '\(marker)' ] || { : >'\(marker)'; echo 'exit code: 137' >&2; exit 1; }")
            let build = try await runner.start(runner.flags(try runner.context())).finished()
            #expect(build.status == 0 && build.attempts.count == 2, "\(build.story)")
            #expect(spawned(runner).map { $0["volume"] } == [Self.asked, Self.asked])
            #expect(runner.keeps.count == 1 && metrics(runner).map { $0["kept"] } == [.null, true])
        }
    }

    @Test(arguments: ["in_use", "other_engine", "other_provider", "damaged", "no_room", "none_yet", "of_another"])
    func whyARunnerIsCold(reason: String) async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(cold(reason), kept: [Self.kept])
            let build = try await runner.start(runner.flags(try runner.context()) + ["--progress", "json"]).finished()
            #expect(build.status == 0 && build["volume"]["reason"]?.stringValue == reason, "\(build.story)")
            let isMissed = !["none_yet", "of_another"].contains(reason)
            #expect(build.warningCodes == (isMissed ? ["volume_cold"] : []))
            let lines = build.errorText.split(separator: "\n").compactMap { try? JSONValue.parse(String($0)) }
            let told = lines.filter { $0["event"] == "volume" }
            #expect(told.map { $0["state"] } == ["cold", "cold"] && told.map { $0["kept"] } == [.null, true])
        }
    }

    /// There is nothing to keep, and nothing that anybody misses.
    @Test func aProviderWithoutVolumes() async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(cold("not_offered"), kept: [Self.kept])
            let build = try await runner.start(runner.flags(try runner.context())).finished()
            #expect(build.status == 0 && build["volume"]["reason"] == "not_offered", "\(build.story)")
            #expect(build.warningCodes.isEmpty && runner.keeps.isEmpty)
        }
    }

    /// Nothing that becomes of the volume makes the build another one.
    @Test(
        arguments: [
            (
                ScriptedHTTPServer.Reply.success(200, ["kept": false, "reason": "superseded"]), JSONValue.bool(false),
                "superseded", false
            ),
            (.success(200, ["kept": false, "reason": "not_asked"]), false, "not_asked", false),
            (.success(200, ["kept": false, "reason": "too_large"]), false, "too_large", true),
            (.success(200, ["kept": false]), false, nil, true),
            (.failure(404, code: "not_found", message: "what?"), false, "not_served", true),
            (.failure(409, code: "not_ready", message: "not yet"), false, "not_ready", true),
            (.failure(410, code: "gone", message: "its lease ran out"), false, "runner_gone", true),
            (.answer(200, Array("{\"success\":true,\"data\":[]}".utf8)), .null, "no_answer", true),
        ] as [(ScriptedHTTPServer.Reply, JSONValue, String?, Bool)])
    func whatIsNotKept(reply: ScriptedHTTPServer.Reply, kept: JSONValue, reason: String?, isTold: Bool) async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(Self.warm, kept: [reply])
            let build = try await runner.start(runner.flags(try runner.context())).finished()
            #expect(build.status == 0 && build.isRunnerDestroyed == true, "\(build.story)")
            #expect(build["volume"]["kept"] == kept && build["volume"]["reason"]?.stringValue == reason)
            #expect(build.warningCodes == (isTold ? ["volume_not_kept"] : []))
            #expect(runner.keeps.count == 1 && metrics(runner).map { $0["kept"] } == [kept])
            try await runner.expectValid(build)
        }
    }

    /// The runner goes all the same, and so do the metrics.
    @Test func keepingThatTakesTooLongIsLeft() async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(Self.warm, kept: [.hang])
            let build = try await runner.start(runner.flags(try runner.context())).finished()
            #expect(build.status == 0 && build.warningCodes == ["volume_not_kept"], "\(build.story)")
            #expect(build["volume"]["kept"] == .null && build["volume"]["reason"] == "no_answer")
            #expect(build.isRunnerDestroyed == true && metrics(runner).count == 1)
            #expect((14_000..<45_000).contains(build.milliseconds(of: "teardown")), "\(build.story)")
            try await runner.expectValid(build)
        }
    }

    @Test func endedTwiceNothingIsKept() async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(Self.warm, kept: [.hang])
            let running = try runner.start(runner.flags(try runner.context()))
            #expect(await eventually(within: .seconds(60)) { !runner.keeps.isEmpty })
            running.signal(SIGINT)
            running.signal(SIGTERM)
            let build = try await running.finished()
            #expect(build.status == 0 && build.isRunnerDestroyed == true, "\(build.story)")
            #expect(build["volume"]["kept"] == .null && build.warningCodes == [])
        }
    }

    /// A runner of others' layers is no runner for this build.
    @Test(arguments: ["dev/ada-acme/app", "ci/other/app"]) func aVolumeThatNobodyAskedFor(from: String) async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(["state": "warm", "from": .string(from), "generation": 1])
            let build = try await runner.start(runner.flags(try runner.context())).finished()
            #expect(build.status == 3 && build.errorCode == "orchestrator_answer_invalid", "\(build.story)")
            #expect(build.message.contains(from) && build.isRunnerDestroyed == true && runner.keeps.isEmpty)
        }
    }

    /// The image is called as no volume can be.
    @Test func aVolumeWithoutAName() async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(.null)
            let flags = [
                "--workspace", "acme", "--context", try runner.context(), "--image", "127.0.0.1:1/acme/my_app:1",
            ]
            let build = try await runner.start(flags + ["--progress", "plain"]).finished()
            #expect(build.status == 0 && build.warningCodes == [], "\(build.story)")
            #expect(build["volume"]["state"] == "cold" && build["volume"]["reason"] == "no_name")
            #expect(build.errorText.contains("choose one with --volume"))
            #expect(spawned(runner)[0]["volume"] == Optional.none && runner.keeps.isEmpty)
            try await runner.expectValid(build)
        }
    }

    @Test(arguments: [(true, "cold", false), (false, "cold", true), (true, "always", true)])
    func whenTheCacheIsWritten(isWarm: Bool, when: String, isWritten: Bool) async throws {
        try await withScriptedRunner { runner in
            runner.offerVolumes(isWarm ? Self.warm : cold("none_yet"), kept: [Self.kept])
            try runner.buildctl("echo \"buildctl $*\"")
            let build = try await runner.start(
                runner.flags(try runner.context()) + ["--progress", "plain", "--cache-export", when]
            ).finished()
            #expect(build.status == 0, "\(build.story)")
            #expect(build.errorText.contains("--export-cache") == isWritten, "\(build.story)")
            #expect(build.errorText.contains("--import-cache"))
            let caches: JSONValue = isWritten ? ["127.0.0.1:1/acme/ci/acme/app:cache"] : []
            #expect(build["cache"]["to"] == caches)
        }
    }
}
