import Foundation
import Glibc
import LianModel
import LianNATS
import LianSystem
import LianTestSupport
import Synchronization
import Testing

private let origin = BuildEventOrigin(
    subjectPrefix: "lian", workspace: "acme", buildID: "b-1", mode: "ci", actor: nil)

private func event(_ event: BuildEvent, attempt: Int = 1) -> CloudEvent {
    event.cloudEvent(of: origin, attempt: attempt, time: UTCTime(milliseconds: 1_767_225_600_000))
}

private let sizing = Sizing(
    source: .explicit, size: RunnerSize(cpu: 2, memoryGB: 1.5), timeBudgetMinutes: 30, tier: "cx22")
private let start = BuildEvent.started(
    sizing: sizing, artifacts: ["app"], cache: CacheResult(from: ["r/ci:cache"], to: ["r/ci:cache"]))
private let started = event(start)
private let completed = event(
    .completed(
        artifacts: [.init(name: "app", digest: "sha256:00")], durationMilliseconds: 5,
        steps: StepCount(total: 3, cached: 1), sizing: sizing, timings: Timings(), volume: nil))
private let failed = event(.failed(code: .buildFailed, phase: .build, status: "failed"))

@Suite(.needsNATSServer) struct EventPublisherTests {
    /// A server on which only "lian.acme.build.started" and "…completed" may be published with the known key.
    private let restricted = """
        authorization {
          timeout: 30
          users = [
            { nkey: "\(NATSServer.userPublicKey)",
              permissions: { publish: { allow: ["lian.acme.build.started", "lian.acme.build.completed"] } } }
            { user: "watcher", password: "w" }
          ]
        }
        """

    @Test func eventsArriveInOrderAsCloudEvents() async throws {
        try await withNATSServer { server in
            let watcher = try await NATSSubscriber(port: server.port)
            defer { watcher.stop() }
            let publisher = EventPublisher(EventsSettings(url: server.url))
            publisher.publish(started)
            #expect(await eventually { watcher.messages().count == 1 })
            publisher.publish(completed)
            let report = await publisher.finish(within: .seconds(30))
            #expect(report == EventsReport(published: 2, failed: 0, warnings: []))
            try await watcher.settle()
            let messages = watcher.messages()
            #expect(messages.map(\.subject) == ["lian.acme.build.started", "lian.acme.build.completed"])
            #expect(messages.map(\.json) == [started.json, completed.json])
            #expect(messages.map { $0.headers["Nats-Msg-Id"] } == [started.id, completed.id])
        }
    }

    @Test func aQuickBuildStillGetsItsEventsOut() async throws {
        // The flush waits for what is on the way where the connection is up, and only then.
        try await withNATSServer { server in
            let watcher = try await NATSSubscriber(port: server.port)
            defer { watcher.stop() }
            let publisher = EventPublisher(EventsSettings(url: server.url))
            publisher.publish(started)
            #expect(await eventually { watcher.messages().count == 1 })
            for number in 0..<20 { publisher.publish(event(start, attempt: number + 2)) }
            let report = await publisher.finish(within: .seconds(30))
            #expect(report.published == 21)
            try await watcher.settle()
            #expect(watcher.messages().compactMap { $0.json?["data"]?["attempt"]?.intValue } == Array(1...21))
        }
    }

    @Test func nkeyUsersPublishWhatTheyMay() async throws {
        try await withNATSServer(restricted) { server in
            let watcher = try await NATSSubscriber(port: server.port, login: "\"user\":\"watcher\",\"pass\":\"w\"")
            defer { watcher.stop() }
            let publisher = EventPublisher(EventsSettings(url: server.url, nkeySeed: NATSServer.userSeed))
            publisher.publish(started)
            #expect(await eventually { watcher.messages().count == 1 })
            publisher.publish(failed)
            publisher.publish(completed)
            let report = await publisher.finish(within: .seconds(30))
            #expect(report.published == 2)
            #expect(report.failed == 1)
            #expect(report.warnings.map(\.code) == [.eventRefused])
            #expect(report.warnings.first?.message.contains("lian.acme.build.failed") == true)
            try await watcher.settle()
            #expect(watcher.messages().map(\.subject) == ["lian.acme.build.started", "lian.acme.build.completed"])
        }
    }

    @Test func severalRefusalsAreEachTold() async throws {
        try await withNATSServer(restricted) { server in
            let watcher = try await NATSSubscriber(port: server.port, login: "\"user\":\"watcher\",\"pass\":\"w\"")
            defer { watcher.stop() }
            let publisher = EventPublisher(EventsSettings(url: server.url, nkeySeed: NATSServer.userSeed))
            publisher.publish(started)
            #expect(await eventually { watcher.messages().count == 1 })
            let other = IntegrateEvent(requestID: "r", workspace: "acme", status: "ok", checks: [:])
            for _ in 0..<3 {
                publisher.publish(failed)
                publisher.publish(other.cloudEvent(subjectPrefix: "lian", id: "i-1", time: UTCTime(milliseconds: 0)))
            }
            let report = await publisher.finish(within: .seconds(30))
            #expect(report.published == 1)
            #expect(report.failed == 6)
            let messages = report.warnings.map(\.message)
            #expect(messages.count == 2)
            #expect(messages.first?.hasSuffix("lian.acme.build.failed") == true)
            #expect(messages.last?.hasSuffix("lian.acme.integrate.completed") == true)
        }
    }

    /// libnats sends no signature that begins with a zero, as one in 256 does: the server is asked for another text.
    @Test func aSignatureThatCannotBeSentIsMadeAnew() async throws {
        let unsendable = "QgZqIOmy8yztSB4"
        let key = try NKey(seed: NATSServer.userSeed)
        try #require(key.signature(of: Array(unsendable.utf8))?.first == 0)
        let server = try ListeningSocket(port: 0)
        let requests = Mutex("")
        try startThread {
            for nonce in [unsendable, unsendable, "WQsMrxEsxI_62KX"] {
                let connection = accept(server.descriptor, nil, nil)
                defer { close(connection) }
                let facts = #""proto":1,"version":"2.9.10","max_payload":1048576,"headers":true,"auth_required":true"#
                _ = sendAll(Array("INFO {\(facts),\"nonce\":\"\(nonce)\"}\r\n".utf8), to: connection)
                var chunk = [UInt8](repeating: 0, count: 65536)
                while case let count = recv(connection, &chunk, chunk.count, 0), count > 0 {
                    let text = String(decoding: chunk[..<count], as: UTF8.self)
                    requests.withLock { $0 += text }
                    if text.contains("CONNECT"), !text.contains(#/"sig":"[^"]/#) {
                        _ = sendAll(Array("-ERR 'Authorization Violation'\r\n".utf8), to: connection)
                    }
                    if text.contains("PING\r\n") { _ = sendAll(Array("PONG\r\n".utf8), to: connection) }
                }
            }
        }
        let publisher = EventPublisher(
            EventsSettings(url: "nats://127.0.0.1:\(server.port)", nkeySeed: NATSServer.userSeed))
        publisher.publish(started)
        let report = await publisher.finish(within: .seconds(30))
        #expect(report == EventsReport(published: 1, failed: 0, warnings: []))
        // Nothing was said to the first two.
        #expect(requests.withLock { $0.components(separatedBy: "CONNECT ").count } == 2)
    }

    @Test func aWrongKeyIsAWarning() async throws {
        // A good seed that the server does not know.
        let other = restricted.replacing(
            NATSServer.userPublicKey, with: "UDMSTCQQ2GYHGWBX3RF5QXNMMQNQ6PHPE6SH4XKTUVHS6P23F7H7UMHN")
        try await withNATSServer(other) { server in
            let publisher = EventPublisher(EventsSettings(url: server.url, nkeySeed: NATSServer.userSeed))
            publisher.publish(started)
            #expect(await eventually { server.log.contains("authentication error") })
            let report = await publisher.finish(within: .seconds(30))
            #expect(report.published == 0)
            #expect(report.failed == 1)
            #expect(report.warnings.map(\.code) == [.eventsUnavailable])
        }
    }

    @Test(arguments: [String(NATSServer.userSeed.dropLast(2)) + "AA", "hello", ""])
    func aBrokenSeedIsAWarning(seed: String) async throws {
        let publisher = EventPublisher(EventsSettings(url: "nats://127.0.0.1:1", nkeySeed: seed))
        publisher.publish(started)
        let report = await publisher.finish(within: .seconds(30))
        #expect(report.published == 0)
        #expect(report.failed == 1)
        #expect(report.warnings.map(\.code) == [.eventsKeyInvalid])
        #expect(seed.isEmpty || report.warnings.first?.message.contains(seed) == false)
    }

    @Test func aWrongURLIsAWarning() async throws {
        let publisher = EventPublisher(EventsSettings(url: "nats://me:s3cret@host:99999"))
        let report = await publisher.finish(within: .seconds(30))
        #expect(report.warnings.map(\.code) == [.eventsURLInvalid])
        #expect(report.warnings.first?.message.contains("s3cret") == false)
    }

    @Test func credentialsInTheURLAreUsedAndNeverShown() async throws {
        let configuration = "authorization { user: \"me\", password: \"s3:cr@t\" }"
        try await withNATSServer(configuration) { server in
            let watcher = try await NATSSubscriber(port: server.port, login: "\"user\":\"me\",\"pass\":\"s3:cr@t\"")
            defer { watcher.stop() }
            let right = EventPublisher(EventsSettings(url: "nats://me:s3%3Acr%40t@127.0.0.1:\(server.port)"))
            right.publish(started)
            #expect(await eventually { watcher.messages().count == 1 })
            #expect(await right.finish(within: .seconds(30)).published == 1)

            let wrong = EventPublisher(EventsSettings(url: "nats://me:0ther@127.0.0.1:\(server.port)"))
            #expect(await eventually { server.log.contains("authentication error") })
            let report = await wrong.finish(within: .seconds(30))
            #expect(report.warnings.map(\.code) == [.eventsUnavailable])
            #expect(report.warnings.first?.message.contains("0ther") == false)
        }
    }

    @Test func jetStreamKeepsEachEventOnce() async throws {
        try await withNATSServer("jetstream { store_dir: \"store\" }") { server in
            let watcher = try await NATSSubscriber(port: server.port)
            defer { watcher.stop() }
            let made = try await watcher.request(
                "$JS.API.STREAM.CREATE.BUILDS",
                ["name": "BUILDS", "subjects": ["lian.>"], "storage": "memory", "duplicate_window": 60_000_000_000])
            #expect(made["error"] == nil, "\(made)")
            let publisher = EventPublisher(EventsSettings(url: server.url))
            publisher.publish(started)
            publisher.publish(started)
            publisher.publish(completed)
            #expect(await eventually { watcher.messages().count == 3 })
            #expect(await publisher.finish(within: .seconds(30)).published == 3)
            let info = try await watcher.request("$JS.API.STREAM.INFO.BUILDS", [:])
            #expect(info["state"]?["messages"]?.intValue == 2)
        }
    }

    /// Refused, it is tried once more at the end, however much time there would be.
    @Test func anAbsentServerCostsNoTime() async throws {
        let publisher = EventPublisher(EventsSettings(url: "nats://127.0.0.1:\(try refusingPort())"))
        publisher.publish(started)
        let report = await publisher.finish(within: .seconds(3600))
        #expect(report.published == 0)
        #expect(report.failed == 1)
        #expect(report.warnings.map(\.code) == [.eventsUnavailable])
    }

    @Test func aServerThatSaysNothingIsWaitedForAsLongAsAFirstConnectionMayTake() async throws {
        let listener = try LoopbackListener { descriptor, _ in
            var byte: UInt8 = 0
            while recv(descriptor, &byte, 1, 0) > 0 {}
        }
        defer { listener.stop() }
        for scheme in ["nats", "tls"] {
            let before = listener.accepted
            let publisher = EventPublisher(EventsSettings(url: "\(scheme)://127.0.0.1:\(listener.port)"))
            #expect(await eventually { listener.accepted > before })
            publisher.publish(started)
            let report = await publisher.finish(
                firstConnectionBy: {}, giveUpAfter: { try? await Task.sleep(for: .seconds(3600)) })
            #expect(report.warnings.map(\.code) == [.eventsUnavailable])
        }
    }

    /// A build may be over before the connection is up.
    @Test func whatIsDueBeforeTheConnectionIsUpIsSentInTheLastFlush() async throws {
        try await withNATSServer { server in
            let watcher = try await NATSSubscriber(port: server.port)
            defer { watcher.stop() }
            let publisher = EventPublisher(EventsSettings(url: server.url))
            publisher.publish(started)
            publisher.publish(failed)
            let report = await publisher.finish(within: .seconds(60))
            #expect(report == EventsReport(published: 2, failed: 0, warnings: []))
            try await watcher.settle()
            #expect(watcher.messages().map(\.json) == [started.json, failed.json])
        }
    }

    @Test func aServerThatComesLateGetsAllInOrder() async throws {
        try await withTemporaryFolder { folder in
            let first = try await NATSServer.start("", in: folder)
            first.stop()
            let publisher = EventPublisher(EventsSettings(url: first.url))
            publisher.publish(started)
            publisher.publish(completed)
            let server = try await first.startAgain()
            defer { server.stop() }
            let watcher = try await NATSSubscriber(port: server.port)
            defer { watcher.stop() }
            // What came before the watcher is not his; the report tells of all.
            publisher.publish(failed)
            #expect(await eventually { watcher.messages().contains { $0.subject.hasSuffix("failed") } })
            let report = await publisher.finish(within: .seconds(30))
            #expect(report == EventsReport(published: 3, failed: 0, warnings: []))
        }
    }

    @Test func aServerStartedAnewGetsWhatItMissed() async throws {
        try await withTemporaryFolder { folder in
            let first = try await NATSServer.start("", in: folder)
            defer { first.stop() }
            let watcher = try await NATSSubscriber(port: first.port)
            let publisher = EventPublisher(EventsSettings(url: first.url))
            publisher.publish(started)
            #expect(await eventually { watcher.messages().count == 1 })
            watcher.stop()
            first.stop()
            publisher.publish(failed)
            let second = try await first.startAgain()
            defer { second.stop() }
            let report = await publisher.finish(within: .seconds(30))
            #expect(report == EventsReport(published: 2, failed: 0, warnings: []))
        }
    }

    @Test func aStoppedServerCostsTheLastFlushAlone() async throws {
        try await withNATSServer { server in
            let watcher = try await NATSSubscriber(port: server.port)
            defer { watcher.stop() }
            let publisher = EventPublisher(EventsSettings(url: server.url))
            publisher.publish(started)
            #expect(await eventually { watcher.messages().count == 1 })
            server.pause()
            let start = ContinuousClock.now
            publisher.publish(completed)
            #expect(ContinuousClock.now - start < .seconds(300))
            let report = await publisher.finish(within: .milliseconds(400))
            let took = ContinuousClock.now - start
            #expect(took >= .milliseconds(390) && took < .seconds(300))
            // The first one has arrived; its confirmation may still have been on the way.
            #expect(report.failed >= 1)
            #expect(report.published + report.failed == 2)
            #expect(report.warnings.map(\.code) == [.eventsUnconfirmed])
        }
    }

    @Test func aServerThatGoesOnGetsWhatItMissed() async throws {
        try await withNATSServer { server in
            let watcher = try await NATSSubscriber(port: server.port)
            defer { watcher.stop() }
            let publisher = EventPublisher(EventsSettings(url: server.url))
            publisher.publish(started)
            #expect(await eventually { watcher.messages().count == 1 })
            server.pause()
            publisher.publish(completed)
            server.goOn()
            let report = await publisher.finish(within: .seconds(30))
            #expect(report == EventsReport(published: 2, failed: 0, warnings: []))
        }
    }

    @Test func aServerThatIsGoneAtTheEndCostsTheLastFlushAlone() async throws {
        try await withNATSServer { server in
            let watcher = try await NATSSubscriber(port: server.port)
            let publisher = EventPublisher(EventsSettings(url: server.url))
            publisher.publish(started)
            #expect(await eventually { watcher.messages().count == 1 })
            watcher.stop()
            server.stop()
            publisher.publish(completed)
            let start = ContinuousClock.now
            let report = await publisher.finish(within: .milliseconds(300))
            #expect(ContinuousClock.now - start < .seconds(300))
            // The first one has arrived; its confirmation may still have been on the way.
            #expect(report.failed >= 1)
            #expect(report.published + report.failed == 2)
            #expect(report.warnings.map(\.code) == [.eventsUnconfirmed])
        }
    }

    @Test func aFloodOfEventsIsBounded() async throws {
        let publisher = EventPublisher(EventsSettings(url: "nats://127.0.0.1:\(try refusingPort())"))
        for _ in 0..<1000 { publisher.publish(started) }
        let report = await publisher.finish(within: .seconds(30))
        #expect(report.failed == 1000)
        #expect(Set(report.warnings.map(\.code)) == [.eventsUnavailable, .eventsDropped])
    }

    // MARK: TLS

    @Test func tlsTrustsTheGivenAuthorityAndChecksTheName() async throws {
        try await withTemporaryFolder { folder in
            let authority = try await TestAuthority(in: folder)
            let files = try await authority.server(names: "DNS:localhost")
            let server = try await NATSServer.start(
                "tls { cert_file: \"\(files.certificate)\", key_file: \"\(files.key)\" }", in: folder)
            defer { server.stop() }
            let ca = authority.certificate

            // A server that demands TLS gets it from a nats:// URL too.
            for scheme in ["tls", "nats"] {
                let trusted = EventPublisher(EventsSettings(url: "\(scheme)://localhost:\(server.port)", caFile: ca))
                trusted.publish(started)
                let report = await trusted.finish(within: .seconds(60))
                #expect(report == EventsReport(published: 1, failed: 0, warnings: []))
            }

            let fifo = folder.appending(path: "fifo").path
            mkfifo(fifo, 0o600)
            for (url, caFile, reason) in [
                ("tls://localhost:\(server.port)", fifo, "not a regular file"),
                // The system's authorities do not know this one.
                ("tls://localhost:\(server.port)", nil, "certificate"),
                // The certificate is not for this name.
                ("tls://127.0.0.1:\(server.port)", ca, "mismatch"),
                ("tls://localhost:\(server.port)", folder.appending(path: "missing.pem").path, "missing.pem"),
                ("nats://localhost:\(server.port)", nil, "certificate"),
                ("nats://127.0.0.1:\(server.port)", ca, "mismatch"),
            ] as [(String, String?, String)] {
                let refused = EventPublisher(EventsSettings(url: url, caFile: caFile))
                refused.publish(started)
                let report = await refused.finish(within: .seconds(60))
                #expect(report.published == 0)
                #expect(report.warnings.map(\.code) == [.eventsUnavailable])
                #expect(report.warnings.first?.message.contains(reason) == true, "\(report.warnings)")
            }
        }
    }
}
