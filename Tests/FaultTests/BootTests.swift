import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Rows 11 to 15: a runner is on its way, and nobody can log in to it.
    @Suite struct BootTests {
        @Test("row 11: SIGTERM in the middle of the spawn: the key is replayed, the runner destroyed")
        func signalDuringTheSpawn() async throws {
            try await withScene { scene in
                scene.orchestrator.script(.spawn, [.lost(.hang)])
                let running = try scene.start()
                // An event that is due before a connection was ever up is waited for no longer than a second.
                #expect(
                    try await eventually {
                        let events = try await scene.published()
                        return !scene.orchestrator.requests(.spawn).isEmpty && !events.isEmpty
                    })
                scene.orchestrator.script(.spawn, [.honest])
                running.signal(SIGTERM)
                let build = try await scene.finish(running)
                #expect(build.status == 143 && build["status"] == "cancelled", "\(build.story)")
                #expect(build.errorCode == "cancelled" && build.phase == "spawn")
                #expect(scene.orchestrator.spawnKeys.count > 1 && Set(scene.orchestrator.spawnKeys).count == 1)
                #expect(scene.orchestrator.runners.count == 1)
                #expect(build.runnerID == "r-1" && build.isRunnerDestroyed == true)
                #expect(try await scene.published().last?.json?["data"]?["status"] == "cancelled")
            }
        }

        /// A build whose time for the spawn is over when it waits for what never comes, and not before.
        private func build(
            _ scene: FaultScene, spawnTimeoutFrom first: Duration, endsBy code: String
        ) async throws -> FinishedBuild {
            let build = try await withEnoughTime(from: first) { time in
                let build = try await scene.build(["--spawn-timeout", "\(time.components.seconds)"])
                if build.errorCode == "runner_not_ready" { #expect(build.duration > time) }
                return build
            } wasEnough: {
                $0.errorCode == code
            }
            #expect(build.errorCode == code && build.isRunnerDestroyed == true, "\(build.story)")
            return build
        }

        @Test("row 12: the runner is never ready") func neverReady() async throws {
            try await withScene { scene in
                scene.orchestrator.setState("pending")
                let build = try await build(scene, spawnTimeoutFrom: .seconds(2), endsBy: "runner_not_ready")
                #expect(build.status == 3)
            }
        }

        @Test("row 12: the runner fails, or goes, while it boots", arguments: ["failed", "gone"])
        func failsToBoot(_ state: String) async throws {
            try await withScene { scene in
                scene.orchestrator.setState(state, reason: "the disk \u{1B}[31mburns")
                let build = try await scene.build()
                #expect(build.status == 3 && build.errorCode == "runner_failed", "\(build.story)")
                #expect(build.message.contains("burns") && !build.story.contains("\u{1B}"))
                #expect(build.isRunnerDestroyed == true)
            }
        }

        @Test("row 12: the runner never gets an sshd") func noServer() async throws {
            try await withScene { scene in
                let build = try await expectNoSSH(scene, spawnTimeoutFrom: .seconds(2))
                // It is tried until the next try would come too late.
                #expect(build.duration > .seconds(1))
            }
        }

        private static let banners: [(words: String, closes: Bool)] = [
            ("", false), ("", true), ("HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", true),
            ("SSH-1.5-old\r\n", false), ("SSH-2.0", false), (String(repeating: "welcome ", count: 100_000), false),
            ("\u{1}\u{2}\u{3}\n", false), (String(repeating: "hello\r\n", count: 1000), false),
            ("SSH-2.0-liar\r\nthis is no key exchange at all, none whatsoever\r\n", false),
        ]

        @Test("row 13: the runner's port accepts, and says nothing or garbage", arguments: 0..<9)
        func banner(_ index: Int) async throws {
            let (words, closes) = Self.banners[index]
            let listener = try ScriptedListener(saying: words, closes: closes)
            defer { listener.stop() }
            try await withScene(port: listener.port) { scene in
                try await expectNoSSH(scene, spawnTimeoutFrom: .seconds(3))
            }
        }

        @discardableResult
        private func expectNoSSH(_ scene: FaultScene, spawnTimeoutFrom first: Duration) async throws -> FinishedBuild {
            let build = try await build(scene, spawnTimeoutFrom: first, endsBy: "ssh_unreachable")
            #expect(build.status == 4 && build.phase == "connect" && !build.hint.isEmpty, "\(build.story)")
            return build
        }

        /// Nothing but the key exchange, which both sides begin at once.
        private func expectNothingSent(_ runner: ScriptedRunner) {
            for word in ["publickey", "Accepted", "Starting session", "userauth"] {
                #expect(!runner.server.log.contains(word), "\(runner.server.log)")
            }
            #expect(!FileManager.default.fileExists(atPath: runner.workDir))
        }

        @Test("row 14: the runner shows another host key than the orchestrator pinned") func wrongPinnedKey()
            async throws
        {
            try await withRunner { scene, runner, _ in
                scene.orchestrator.script(.spawn, [.changed { $0["host_keys"] = [.string(someHostKey)] }])
                let build = try await scene.build()
                #expect(build.status == 4 && build.errorCode == "host_key_mismatch", "\(build.story)")
                #expect(build.isRunnerDestroyed == true && build.hint.contains("nothing was sent"))
                expectNothingSent(runner)
            }
        }

        @Test("row 14: the runner shows another host key than known_hosts holds") func wrongKnownKey() async throws {
            try await withRunner { scene, runner, proxy in
                scene.orchestrator.script(.spawn, [.changed { $0["host_keys"] = [] }])
                let file = scene.folder.appending(path: "known_hosts").path
                try writeFile(file, "[127.0.0.1]:\(proxy.port) \(someHostKey)\n")
                let build = try await scene.build(["--known-hosts", file])
                #expect(build.status == 4 && build.errorCode == "host_key_mismatch", "\(build.story)")
                #expect(build.isRunnerDestroyed == true)
                expectNothingSent(runner)
            }
        }

        @Test("row 14: no host key is known at all: not even a connection is made") func noKnownKey() async throws {
            try await withRunner { scene, _, proxy in
                scene.orchestrator.script(.spawn, [.changed { $0["host_keys"] = [] }])
                let build = try await scene.build()
                #expect(build.status == 4 && build.errorCode == "host_key_unknown", "\(build.story)")
                #expect(build.isRunnerDestroyed == true && build.hint.contains("--known-hosts"))
                #expect(proxy.connections == 0)
            }
        }

        @Test("row 15: the runner has only an RSA host key: named, with its mend", arguments: [true, false])
        func onlyRSA(_ isPinned: Bool) async throws {
            try await withRunner(SSHServerOptions(hostKeys: [.rsa])) { scene, runner, _ in
                if !isPinned {
                    scene.orchestrator.script(.spawn, [.changed { $0["host_keys"] = [.string(someHostKey)] }])
                }
                let build = try await scene.build()
                #expect(build.status == 4, "\(build.story)")
                #expect((build.message + build.hint).lowercased().contains("rsa"))
                #expect(build.hint.contains("ssh-keygen") && build.hint.contains("ed25519"))
                #expect(build.isRunnerDestroyed == true)
                expectNothingSent(runner)
            }
        }

        @Test("row 15: the runner refuses the user's key: named, with the line it should know")
        func refusedKey() async throws {
            try await withRunner(refusesKeys: true) { scene, runner, _ in
                let build = try await scene.build()
                #expect(build.status == 4 && build.errorCode == "ssh_auth_failed", "\(build.story)")
                let line = try #require(scene.orchestrator.runners.first?.publicKey)
                #expect(build.message.contains("ssh-ed25519") || build.message.contains("ED25519"))
                #expect(build.hint.contains(line.split(separator: " ")[1]))
                #expect(build.isRunnerDestroyed == true)
                #expect(!runner.server.log.contains("Accepted"))
            }
        }

        enum Unusable: String, CaseIterable {
            case encrypted, wrongPassphrase, pkcs8, rsa

            func make(_ path: String) async throws {
                switch self {
                case .encrypted, .wrongPassphrase: break
                case .pkcs8:
                    try await runTool("/usr/bin/openssl", ["genpkey", "-algorithm", "ed25519", "-out", path])
                    chmod(path, 0o600)
                case .rsa: try await makeSSHKey(path, ["-t", "rsa", "-b", "2048"])
                }
            }

            /// What its message names, and what its hint does.
            var words: (named: String, mend: String) {
                switch self {
                case .encrypted: ("encrypted", "SSH_KEY_PASSPHRASE")
                case .wrongPassphrase: ("passphrase", "SSH_KEY_PASSPHRASE")
                case .pkcs8: ("PKCS#8", "ssh-keygen")
                case .rsa: ("RSA", "ssh-keygen")
                }
            }
        }

        @Test(
            "row 15: the user's key cannot be used: named, with its mend, before any spawn",
            arguments: Unusable.allCases)
        func unusableKey(_ key: Unusable) async throws {
            try await withScene { scene in
                let isPlanted = key == .encrypted || key == .wrongPassphrase
                let path = isPlanted ? scene.keyFile : scene.folder.appending(path: "other").path
                try await key.make(path)
                let passphrase: String? = key == .wrongPassphrase ? "not-the-passphrase-3b" : nil
                let build = try await scene.build(
                    ["--ssh-key", path], environment: ["SSH_KEY_PASSPHRASE": passphrase])
                #expect(build.status == 2 && build.errorCode == "ssh_key_unusable", "\(build.story)")
                #expect(build.message.contains(key.words.named) && build.hint.contains(key.words.mend))
                #expect(!build.story.contains("not-the-passphrase-3b"))
                #expect(scene.orchestrator.requests(.spawn).isEmpty)
            }
        }
    }
}
