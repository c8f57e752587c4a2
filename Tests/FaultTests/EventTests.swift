import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 32: events do not arrive. The build's result is the same, and it is no later for it.
    @Suite struct EventTests {
        /// Brokers with which no connection ever comes up.
        enum NeverUp: String, CaseIterable {
            case down, silent, stopped, wrongKey, brokenSeed

            var warning: JSONValue { self == .brokenSeed ? "events_key_invalid" : "events_unavailable" }
        }

        @Test("row 32: no connection to NATS ever comes up", arguments: NeverUp.allCases)
        func neverUp(_ broker: NeverUp) async throws {
            try await withRunner { scene, runner, _ in
                switch broker {
                case .down:
                    try await expectWarning(
                        broker.warning, scene, runner, ["NATS_URL": "nats://127.0.0.1:\(try refusingPort())"])
                case .silent:
                    let listener = try ScriptedListener(saying: "")
                    defer { listener.stop() }
                    try await expectWarning(
                        broker.warning, scene, runner, ["NATS_URL": "nats://127.0.0.1:\(listener.port)"])
                case .stopped:
                    try await withNATSServer { nats in
                        nats.pause()
                        try await expectWarning(broker.warning, scene, runner, ["NATS_URL": nats.url])
                    }
                case .wrongKey:
                    let other = "UDMSTCQQ2GYHGWBX3RF5QXNMMQNQ6PHPE6SH4XKTUVHS6P23F7H7UMHN"
                    try await withNATSServer("authorization { users: [ { nkey: \"\(other)\" } ] }") { nats in
                        try await expectWarning(broker.warning, scene, runner, ["NATS_URL": nats.url])
                        #expect(await eventually { nats.log.contains("authentication error") })
                    }
                case .brokenSeed:
                    let seed = String(NATSServer.userSeed.dropLast(2)) + "AA"
                    try await expectWarning(broker.warning, scene, runner, ["NATS_NKEY_SEED": seed])
                }
            }
        }

        /// A build that goes well and one that fails: each as it would be without events.
        private func expectWarning(
            _ warning: JSONValue, _ scene: FaultScene, _ runner: ScriptedRunner, _ environment: [String: String?]
        ) async throws {
            let build = try await scene.build(environment: environment)
            #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
            #expect(build["warnings"].arrayValue?.map { $0["code"] } == [warning])
            #expect(build["events"]["published"] == 0 && build["events"]["failed"] == 2)
            // LianBuildTests/BuildEventsTests holds the clock and tells which wait there is.
            #expect(build.milliseconds(of: "teardown") < 20_000, "\(build.story)")

            try runner.setEngine("echo '#1 [1/1] RUN make'; exit 3")
            let failed = try await scene.build(environment: environment)
            #expect(failed.status == 1 && failed.errorCode == "build_failed", "\(failed.story)")
            #expect(failed["warnings"].arrayValue?.map { $0["code"] } == [warning])
            #expect(failed.milliseconds(of: "teardown") < 20_000, "\(failed.story)")
        }

        /// The broker is well, and its connection not yet up when all is over. That it comes up within its second is the
        /// rule, and not certain on a busy machine.
        @Test("row 32: a build that is refused at once still has its events sent") func refusedAtOnce() async throws {
            try await withScene { scene in
                scene.orchestrator.script(.spawn, [.fault(.failure(401, code: "unauthorized", message: "no"))])
                let areSent = try await eventually {
                    let build = try await scene.build()
                    #expect(build.status == 3 && build.errorCode == "orchestrator_refused", "\(build.story)")
                    return build["events"]["published"] == 2
                }
                try #require(areSent)
                let events = try await scene.published().suffix(2).map { $0.subject.split(separator: ".").last }
                #expect(events == ["started", "failed"])
            }
        }

        @Test("row 32: NATS denies the subject") func deniedSubject() async throws {
            let configuration = """
                authorization {
                  timeout: 30
                  users: [
                    { nkey: "\(NATSServer.userPublicKey)", permissions: { publish: { allow: ["other.>"] } } }
                  ]
                }
                """
            try await withNATSServer(configuration) { nats in
                try await withRunner { scene, _, _ in
                    let build = try await scene.build(environment: ["NATS_URL": nats.url])
                    #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                    #expect(build.warningCodes == ["event_refused", "event_refused"])
                    #expect(build["events"]["published"] == 0 && build["events"]["failed"] == 2)
                }
            }
        }

        enum Loss: String, CaseIterable {
            case stopped, dies
        }

        @Test("row 32: NATS goes in mid-build", arguments: Loss.allCases) func midBuild(_ loss: Loss) async throws {
            let configuration = """
                authorization {
                  timeout: 30
                  users: [ { nkey: "\(NATSServer.userPublicKey)" }, { user: "looker", password: "on" } ]
                }
                """
            try await withNATSServer(configuration) { nats in
                let subscriber = try await NATSSubscriber(
                    port: nats.port, login: "\"user\":\"looker\",\"pass\":\"on\"")
                defer { subscriber.stop() }
                try await withRunner { scene, runner, _ in
                    try runner.setEngine(
                        "while [ ! -e '\(runner.workDir)/go' ]; do sleep 0.1; done\n\(ScriptedRunner.success)")
                    let running = try scene.start(environment: ["NATS_URL": nats.url])
                    try await running.says("build: app")
                    #expect(await eventually { subscriber.messages().count == 1 })
                    if loss == .stopped { nats.pause() } else { nats.stop() }
                    #expect(FileManager.default.createFile(atPath: "\(runner.workDir)/go", contents: nil))
                    let build = try await scene.finish(running)
                    #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                    #expect(["events_unconfirmed", "events_unavailable"].contains(build.warningCodes.first))
                    #expect(build["events"]["published"]?.intValue ?? 2 < 2)
                    // The last flush is given up on.
                    #expect(build.milliseconds(of: "teardown") < 20_000, "\(build.story)")
                }
            }
        }

        /// A server that asks every client to sign, and whom directives out of a repository may name.
        @Test("row 71: directives name a NATS server: the caller's key signs nothing there, unless the caller named it")
        func keyWithheld() async throws {
            try await withRunner { scene, _, _ in
                let users = "authorization { users: [ { nkey: \"\(NATSServer.userPublicKey)\" } ] }"
                try await withNATSServer(users) { nats in
                    let withheld = try await build(scene, directivesNaming: nats, ["NATS_URL": scene.natsURL])
                    #expect(withheld.status == 0 && withheld["events"]["published"] == 0, "\(withheld.story)")
                    #expect(withheld.warningCodes.contains("nats_key_withheld"))
                    #expect(withheld.errorText.contains(nats.url))
                    #expect(await eventually { nats.log.contains("authentication error") })
                    let unnamed = try await build(scene, directivesNaming: nats, ["NATS_URL": nil])
                    #expect(unnamed.warningCodes.contains("nats_key_withheld"), "\(unnamed.story)")
                    #expect(unnamed["events"]["published"] == 0)

                    let named = try await build(scene, directivesNaming: nats, ["NATS_URL": nats.url])
                    #expect(named.status == 0 && named["events"]["published"] == 2, "\(named.story)")
                    #expect(named.warningCodes == [])
                }
            }
        }

        private func build(
            _ scene: FaultScene, directivesNaming nats: NATSServer, _ environment: [String: String?]
        ) async throws -> FinishedBuild {
            let directives: JSONValue = [
                "schema_version": "1", "workspace": .string(scene.workspace),
                "artifacts": [["name": "app", "context": .string(try scene.context()), "image": .string(scene.image)]],
                "compute": ["provider": "local"], "registry": ["provider": "generic", "endpoint": "127.0.0.1:1"],
                "nats": ["url": .string(nats.url)],
            ]
            let file = scene.folder.appending(path: "ci.json").path
            try writeFile(file, directives.encoded())
            let command = Command(
                Project.executable("lian-build"), ["build", "--directives", file],
                environment: scene.environment(environment), workingDirectory: scene.folder.path)
            return try await scene.finish(try scene.start(command))
        }
    }
}
