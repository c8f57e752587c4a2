import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 65: the caller's SSH agent fails under a step that asks it, by OpenSSH's own programs.
    @Suite struct AgentTests {
        /// What the engine's build does: a step that asks the agent, with its words as the step's.
        private func asks(_ commands: String) -> String {
            """
            echo '#1 [1/1] RUN --mount=type=ssh ask'
            export SSH_AUTH_SOCK=secrets/agent.0
            { \(commands); } 2>&1 | while IFS= read -r line; do echo "#1 0.1 $line"; done
            if [ -e failed ]; then echo '#1 ERROR: exit code: 1'; echo 'error: failed to solve: exit code: 1'; exit 1; fi
            echo '#1 DONE 0.1s'
            succeed
            """
        }

        private func key(_ scene: FaultScene) async throws -> String {
            let path = scene.folder.appending(path: "forwarded").path
            try await makeSSHKey(path, ["-t", "ed25519"])
            return path
        }

        private func expectStepsOwnWords(_ build: FinishedBuild, _ words: String) {
            #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
            #expect(build.logTail.contains { $0.contains(words) }, "\(build.story)")
            #expect(build.isRunnerDestroyed == true)
        }

        @Test("row 65: the SSH agent goes in mid-build") func goes() async throws {
            try await withRunner { scene, runner, _ in
                let key = try await key(scene)
                try await withAgent(scene.folder) { agent in
                    try await agent.add(key)
                    let gone = scene.folder.appending(path: "gone").path
                    try runner.setEngine(
                        asks("ssh-add -l; while [ ! -e '\(gone)' ]; do sleep 0.05; done; ssh-add -l || : >failed"))
                    let running = try scene.start(["--ssh", "default=\(agent.socket)"])
                    try await running.says("(ED25519)")
                    agent.stop()
                    #expect(await eventually { !FileManager.default.fileExists(atPath: agent.socket) })
                    try writeFile(gone, "")
                    expectStepsOwnWords(try await scene.finish(running), "agent refused operation")
                }
            }
        }

        /// The person who has to confirm each use says no.
        @Test("row 65: the SSH agent refuses") func refuses() async throws {
            try await withRunner { scene, runner, _ in
                let key = try await key(scene)
                let person = ["SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"]
                try await withAgent(scene.folder, environment: person) { agent in
                    try await agent.add(key, ["-c"])
                    try runner.setEngine(asks("ssh-add -T '\(key).pub' || : >failed"))
                    let build = try await scene.build(
                        ["--ssh", "default"], environment: ["SSH_AUTH_SOCK": agent.socket])
                    expectStepsOwnWords(build, "agent refused operation")
                }
            }
        }

        @Test(
            "row 65: the SSH agent answers garbage without end",
            arguments: ["garbage", "\u{0}\u{0}\u{0}\u{1}", "\u{0}\u{3}\u{0}\u{0}\u{C}"])
        func garbage(_ says: String) async throws {
            try await withRunner { scene, runner, _ in
                let socket = scene.folder.appending(path: "agent").path
                let agent = try endlessAgent(at: socket, saying: Array(says.utf8))
                defer { agent.stop() }
                try runner.setEngine(asks("ssh-add -l || : >failed"))
                let build = try await scene.build(["--ssh", "default=\(socket)"])
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build.logTail.contains { $0.contains("agent") || $0.contains("identities") }, "\(build.story)")
                #expect(agent.accepted == 2 && agent.open == 0)
            }
        }

        @Test("row 65: the SSH agent is not there: before any spawn") func neverThere() async throws {
            try await withScene { scene in
                let build = try await scene.build(["--ssh", "default=\(scene.keyFile).none"])
                #expect(build.status == 2 && build.errorCode == "ssh_key_unusable", "\(build.story)")
                let unset = try await scene.build(["--ssh", "default"], environment: ["SSH_AUTH_SOCK": nil])
                #expect(unset.status == 2 && unset.errorCode == "credential_missing", "\(unset.story)")
                #expect(unset.message.contains("SSH_AUTH_SOCK") && unset.hint.contains("ssh-agent"))
                #expect(scene.orchestrator.requests(.spawn).isEmpty)
            }
        }

        /// The connection to the runner breaks while a step waits for the agent: that costs it nothing.
        @Test("row 65: no byte of a key is anywhere, also over a connection that breaks") func noKeyAnywhere()
            async throws
        {
            try await withRunner { scene, runner, proxy in
                let key = try await key(scene)
                let goOn = scene.folder.appending(path: "go-on").path
                try runner.setEngine(
                    asks(
                        "ssh-add -T '\(key).pub' && echo signed; while [ ! -e '\(goOn)' ]; do sleep 0.05; done; "
                            + "ssh-add -T '\(key).pub' && echo signed-again"))
                let running = try scene.start(["--ssh", "default=\(key)"])
                try await running.says("signed")
                let runs = SecretRuns(try privateParts(ofKey: key))
                func expectNone(below folder: String, besides own: [String] = []) throws {
                    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) where !own.contains(name) {
                        let bytes = FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data()
                        #expect(runs.found(in: bytes) == nil, "in \(folder)/\(name)")
                    }
                }
                // While a step could still use it.
                try expectNone(below: runner.workDir)
                try expectNone(below: runner.memory)
                proxy.reset()
                try writeFile(goOn, "")
                let build = try await scene.finish(running)
                #expect(build.status == 0 && build.errorText.contains("signed-again"), "\(build.story)")
                try expectNone(below: scene.folder.path, besides: ["forwarded"])
                try expectNone(below: runner.workDir)
                for event in try await scene.published() { #expect(runs.found(in: event.body) == nil) }
            }
        }

        private static let wrapperPrograms = [
            "sh", "dd", "mkdir", "cat", "sleep", "tail", "mkfifo", "setsid", "stat", "mktemp", "id", "rm", "ln", "wc",
            "readlink", "echo", "rsync",
        ]

        @Test("row 65: the runner has no Perl") func noPerl() async throws {
            try await withRunner(programs: Self.wrapperPrograms) { scene, _, _ in
                let build = try await scene.build(["--ssh", "default=\(try await key(scene))"])
                #expect(build.status == 2 && build.errorCode == "engine_unsupported", "\(build.story)")
                #expect(build.message.contains("'perl'") && build.hint.contains("Perl"))
                #expect(build.isRunnerDestroyed == true)
                // Who forwards nothing needs none.
                let without = try await scene.build()
                #expect(without.status == 0, "\(without.story)")
            }
        }
    }
}
