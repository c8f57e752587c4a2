import Foundation
import Glibc
import LianIntegrate
import LianModel
import LianNATS
import LianSystem
import LianTestSupport
import Testing

/// The context that each test starts from.
let standardContext: [String: JSONValue] = [
    "schema": "secret-delivery-context/v1", "request_id": "req-1", "workspace": "acme",
    "actor": ["id": "ci-7", "kind": "ci"], "checks": ["secrets", "directives"], "deadline": "2999-01-01T00:00:00Z",
]

let standardDirectives: JSONValue = [
    "schema_version": "1", "workspace": "acme",
    "artifacts": [["name": "app", "context": ".", "image": "reg.example/acme/app:1"]],
    "compute": ["provider": "local"], "registry": ["provider": "zot", "endpoint": "reg.example"],
]

func context(_ changes: [String: JSONValue] = [:]) -> JSONValue {
    .object(standardContext.merging(changes) { $1 })
}

func integrate(
    _ context: JSONValue, _ options: IntegrateOptions = IntegrateOptions(), environment: [String: String] = [:],
    timing: Timing = .system
) async -> IntegrateResult {
    await Integrate(options, environment: environment, timing: timing).run(.success(context.encodedBytes()))
}

func secret(_ name: String, _ delivery: JSONValue, kind: String = "cred") -> JSONValue {
    ["name": .string(name), "kind": .string(kind), "delivery": delivery]
}

@Suite struct IntegrateTests {
    // MARK: Secrets

    @Test func secretsAreResolvedWhereTheyAreDelivered() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appending(path: "key").path
            try Data("0123456789abcdef".utf8).write(to: URL(filePath: file))
            chmod(file, 0o600)
            let result = await integrate(
                context([
                    "secrets": [
                        secret("env", ["via": "env", "name": "REG_AUTH"]),
                        secret("file", ["via": "file", "path": .string(file)], kind: "key"),
                        secret("inline", ["via": "inline", "value": "0123456789abcdef"]),
                        secret("short", ["via": "inline", "value": "0123456789abcde"]),
                    ]
                ]), environment: ["REG_AUTH": "a longer secret value"])
            #expect(result.answer.exitStatus == 0)
            #expect(result.answer.status == "ok")
            #expect(result.answer.secrets.map(\.status) == [.resolved, .resolved, .resolved, .resolved])
            // HMAC-SHA256 with the key "req-1", made with openssl.
            let expected = try await hmac("0123456789abcdef", key: "req-1")
            #expect(
                result.answer.secrets.map(\.fingerprint) == [
                    try await hmac("a longer secret value", key: "req-1"), expected, expected, nil,
                ])
            for value in ["0123456789abcde", "a longer secret value"] {
                #expect(!result.answer.json.encoded().contains(value))
            }
        }
    }

    private func hmac(_ value: String, key: String) async throws -> String {
        let result = try await run(
            Command("/usr/bin/openssl", ["dgst", "-sha256", "-hmac", key, "-r"], environment: [:]),
            input: .bytes(Array(value.utf8)), deadline: .seconds(20))
        return "hmac-sha256:" + result.outputText.prefix(12)
    }

    @Test func whatIsNoSafeFileIsNotOpened() async throws {
        try await withTemporaryFolder { folder in
            func path(_ name: String) -> String { folder.appending(path: name).path }
            for (name, mode) in [("group", 0o640), ("world", 0o604), ("executable", 0o700), ("sticky", 0o1600)] {
                try Data("0123456789abcdef".utf8).write(to: URL(filePath: path(name)))
                chmod(path(name), mode_t(mode))
            }
            try Data("0123456789abcdef".utf8).write(to: URL(filePath: path("read-only")))
            chmod(path("read-only"), 0o400)
            try Data().write(to: URL(filePath: path("empty")))
            chmod(path("empty"), 0o600)
            try Data(repeating: 65, count: 2 << 20).write(to: URL(filePath: path("huge")))
            chmod(path("huge"), 0o600)
            mkfifo(path("fifo"), 0o600)
            mkdir(path("folder"), 0o700)
            symlink("read-only", path("link"))
            symlink("link-loop", path("link-loop"))
            let expected: [(String, IntegrationAnswer.SecretStatus)] = [
                ("group", .unsafeMode), ("world", .unsafeMode), ("executable", .unsafeMode), ("sticky", .unsafeMode),
                ("read-only", .resolved), ("empty", .missing), ("huge", .unreadable), ("fifo", .unreadable),
                ("folder", .unreadable), ("link", .resolved), ("link-loop", .unreadable), ("absent", .missing),
                ("empty/below", .missing),
            ]
            let listed = expected.map { secret($0.0, ["via": "file", "path": .string(path($0.0))]) }
            let device = secret("device", ["via": "file", "path": "/dev/zero"])
            let result = await integrate(context(["secrets": .array(listed + [device])]))
            #expect(result.answer.secrets.map(\.name) == expected.map(\.0) + ["device"])
            #expect(result.answer.secrets.map(\.status) == expected.map(\.1) + [.unreadable])
            #expect(result.answer.exitStatus == 1)
            #expect(result.answer.checks.first?.status == .fail)
            #expect(result.answer.error?.message == "failed: secrets")
        }
    }

    /// To open a FIFO may hang, to open a device may do something: what they are is told by a look at them.
    @Test func fifosAreNeverOpened() async throws {
        try await withTemporaryFolder { folder in
            let watch = FileDescriptor(owning: inotify_init1(Int32(IN_NONBLOCK)))
            let fifo = folder.appending(path: "fifo").path
            let plain = folder.appending(path: "plain").path
            mkfifo(fifo, 0o600)
            try Data("0123456789abcdef".utf8).write(to: URL(filePath: plain))
            chmod(plain, 0o600)
            let watched = [
                inotify_add_watch(watch.raw, fifo, UInt32(IN_OPEN)),
                inotify_add_watch(watch.raw, plain, UInt32(IN_OPEN)),
            ]
            #expect(watched.allSatisfy { $0 > 0 })
            let listed = [("fifo", fifo), ("plain", plain)].map {
                secret($0.0, ["via": "file", "path": .string($0.1)])
            }
            let result = await integrate(context(["secrets": .array(listed)]))
            #expect(result.answer.secrets.map(\.status) == [.unreadable, .resolved])
            // Events of 16 bytes, the first four of which name the watch.
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = read(watch.raw, &buffer, buffer.count)
            let opened = stride(from: 0, to: max(0, count), by: 16).map { Int32(buffer[$0]) }
            #expect(Set(opened) == [watched[1]])
        }
    }

    @Test func absentVariablesAreMissing() async throws {
        let result = await integrate(
            context([
                "secrets": [
                    secret("a", ["via": "env", "name": "NOT_THERE"]), secret("b", ["via": "env", "name": "EMPTY"]),
                ]
            ]), environment: ["EMPTY": ""])
        #expect(result.answer.secrets.map(\.status) == [.missing, .missing])
        #expect(result.answer.checks.first?.detail == "a: missing, b: missing")
    }

    // MARK: Directives, tools, orchestrator

    @Test func directivesAreHeldToTheSameRulesAsABuilds() async throws {
        let good = await integrate(context(["directives": standardDirectives]))
        #expect(good.answer.checks.map(\.status) == [.pass, .pass])
        var members = try #require(standardDirectives.objectValue)
        members["artefacts"] = []
        let bad = await integrate(context(["directives": .object(members)]))
        #expect(bad.answer.exitStatus == 1)
        #expect(bad.answer.checks.last?.detail?.hasPrefix("directives.artefacts: is not a field") == true)
        let none = await integrate(context())
        #expect(none.answer.checks.map(\.status) == [.pass, .skip])
        #expect(none.answer.exitStatus == 0)
    }

    @Test func unknownFieldsOfTheContextAreLetThrough() async throws {
        let result = await integrate(
            context(["comment": ["any": "thing"], "actor": ["id": "x", "kind": "probe", "n": 1]]))
        #expect(result.answer.exitStatus == 0)
    }

    @Test func toolsAreFoundWithTheirVersions() async throws {
        try await withTemporaryFolder { folder in
            // Written by a process that is gone: no program can be run that a child of ours may still hold open.
            func tool(_ name: String, _ script: String) async throws {
                let write = #"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""#
                try await runTool("/bin/sh", ["-c", write, folder.appending(path: name).path, script])
            }
            func check(deadline: Double = 300) async -> IntegrationAnswer.Check? {
                await integrate(
                    context(["checks": ["tools"], "deadline": .string(inSeconds(deadline))]),
                    environment: ["PATH": folder.path, "SECRET": "s3cret"]
                ).answer.checks.first
            }
            try await tool("rsync", "echo 'rsync  version 3.2.7  protocol version 31'")
            var found = await check()
            #expect(found?.status == .fail)
            #expect(found?.detail == "nickel is not on PATH")

            try await tool("nickel", "[ -z \"$SECRET\" ] && echo 'nickel-lang-cli nickel 1.18.0 (rev)'")
            found = await check()
            #expect(found?.status == .pass)
            #expect(found?.detail == "nickel 1.18.0, rsync 3.2.7")

            try await tool("nickel", "exit 3")
            found = await check()
            #expect(found?.detail == "nickel --version does not work")

            try await tool("nickel", "exec /bin/sleep 600")
            found = await check(deadline: 1)
            #expect(found?.status == .fail)
            #expect(["deadline", "nickel --version does not end"].contains(found?.detail))
        }
    }

    @Test func theOrchestratorIsAskedWhereOneIsNamed() async throws {
        func check(
            _ url: String?, deadline: Double = 300, timing: Timing = .system
        ) async -> IntegrationAnswer.Check? {
            await integrate(
                context(["checks": ["orchestrator"], "deadline": .string(inSeconds(deadline))]),
                IntegrateOptions(orchestratorURL: url), timing: timing
            ).answer.checks.first
        }
        #expect(await check(nil)?.status == .skip)
        #expect(await check("ftp://x")?.status == .fail)
        try await withScriptedHTTPServer { server in
            server.on(
                "GET", "/healthz",
                [
                    .success(200, ["status": "ok", "version": "1.2", "provider": "local", "engine": "buildkit"]),
                    .success(200, ["status": "degraded", "version": "1.2", "reason": "sshd is gone"]),
                    .success(200, ["status": "ill", "version": "1.2"]), .answer(503), .hang,
                ])
            let good = await check(server.url)
            #expect(good?.status == .pass)
            #expect(good?.detail == "1.2, local, buildkit")
            #expect(server.requests().first?.headers["authorization"] == nil)
            #expect(await check(server.url)?.detail == "the orchestrator is degraded: sshd is gone")
            #expect(await check(server.url)?.status == .fail)
            #expect(await check(server.url)?.detail?.contains("answered 503") == true)
            let start = ContinuousClock.now
            #expect(await check(server.url, deadline: 0.5)?.status == .fail)
            // One request alone has half a minute.
            #expect(ContinuousClock.now - start < .seconds(25))
        }
        let time = SkippedTime(wallClock: Timing.system.wallClock())
        #expect(await check("http://127.0.0.1:\(try refusingPort())", timing: time.timing)?.status == .fail)
        // Who asks wants to know how it is now.
        #expect(time.sleeps.isEmpty)
    }

    @Test func allChecksAreTheStandard() async throws {
        var all = standardContext
        all["checks"] = nil
        let result = await integrate(.object(all), environment: ["PATH": "/nonexistent"])
        #expect(result.answer.checks.map(\.name) == [.secrets, .directives, .tools, .orchestrator])
        #expect(result.answer.checks.map(\.status) == [.pass, .skip, .fail, .skip])
        let none = await integrate(context(["checks": []]))
        #expect(none.answer.checks.isEmpty)
        #expect(none.answer.exitStatus == 0)
    }

    @Test func aDeadlineInThePastFailsEveryCheck() async throws {
        for deadline in ["2001-01-01T00:00:00Z", "0000-01-01T00:00:00Z"] {
            let result = await integrate(
                context([
                    "deadline": .string(deadline), "checks": ["secrets", "directives", "tools", "orchestrator"],
                    "secrets": [secret("a", ["via": "inline", "value": "x"])],
                ]))
            #expect(result.answer.exitStatus == 1)
            #expect(result.answer.checks.map(\.detail) == Array(repeating: "deadline", count: 4))
            #expect(result.answer.secrets.map(\.status) == [.unreadable])
        }
    }

    // MARK: Events

    @Test(.needsNATSServer)
    func theEventIsPublishedBeforeTheAnswer() async throws {
        try await withNATSServer { server in
            let watcher = try await NATSSubscriber(port: server.port)
            defer { watcher.stop() }
            let result = await integrate(
                context(["secrets": [secret("a", ["via": "inline", "value": "0123456789abcdef"])]]),
                IntegrateOptions(events: EventsSettings(url: server.url)), timing: .endless)
            #expect(result.answer.isEventPublished)
            #expect(result.answer.eventSubject == "lian.acme.integrate.completed")
            #expect(result.warnings.isEmpty)
            try await watcher.settle()
            let event = try #require(watcher.messages().first)
            #expect(event.subject == "lian.acme.integrate.completed")
            #expect(
                event.json?["data"] == [
                    "request_id": "req-1", "workspace": "acme", "status": "ok",
                    "checks": ["secrets": "pass", "directives": "skip"],
                ])
            #expect(event.headers["Nats-Msg-Id"] == event.json?["id"]?.stringValue)
            let text = String(decoding: event.body, as: UTF8.self)
            #expect(!text.contains("hmac-sha256") && !text.contains("0123456789abcdef"))
        }
    }

    @Test func aDeadBrokerIsAWarningAndKeepsToItsSecond() async throws {
        let listener = try LoopbackListener { descriptor, _ in
            var byte: UInt8 = 0
            while recv(descriptor, &byte, 1, 0) > 0 {}
        }
        defer { listener.stop() }
        let time = SkippedTime(wallClock: Timing.system.wallClock())
        let result = await integrate(
            context(), IntegrateOptions(events: EventsSettings(url: "nats://127.0.0.1:\(listener.port)")),
            timing: time.timing)
        #expect(Set(time.sleeps) == [.seconds(1)])
        #expect(result.answer.exitStatus == 0)
        #expect(!result.answer.isEventPublished)
        #expect(result.answer.eventSubject == "lian.acme.integrate.completed")
        #expect(result.warnings.count == 1)
    }

    @Test func withoutAURLNothingIsPublished() async throws {
        let result = await integrate(context())
        #expect(result.answer.json["event"] == ["published": false, "subject": nil])
        // Nobody has asked for it.
        #expect(result.warnings.isEmpty)
    }
}

func inSeconds(_ seconds: Double) -> String {
    UTCTime(milliseconds: Timing.system.wallClock() + Int(seconds * 1000)).rfc3339
}
