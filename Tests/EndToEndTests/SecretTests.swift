import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension EndToEnd {
    /// Secrets reach the step that asks for them, and nothing else.
    @Suite struct SecretTests {
        private static let values = ["secret-of-the-variable-5f1c", "secret-of-the-file-91ab"]

        @Test func buildSecretsStayInMemory() async throws {
            try await withScene { scene in
                let gate = try StepGate()
                let context = try scene.context(
                    """
                    \(Scene.shell)RUN --mount=type=secret,id=npm --mount=type=secret,id=key \
                    busybox sha256sum /run/secrets/npm /run/secrets/key; echo held; \(gate.waiting); echo made > /made
                    """)
                let file = scene.folder.appending(path: "key")
                try Self.values[1].write(to: file, atomically: true, encoding: .utf8)
                let running = try scene.start(
                    scene.flags(context) + ["--secret", "id=npm,env=NPM_TOKEN", "--secret", "id=key,src=\(file.path)"],
                    environment: ["NPM_TOKEN": Self.values[0]])
                // While the build runs, and holds both in its hands: no process shows them, no disk has them.
                let watch = Task { await shownByProcesses(besides: running.pid) }
                try await running.says(" held\n")
                let held = try await onDisk(scene.orchestrator.runnersFolder, scene)
                #expect(held == "")
                gate.open()
                let build = try await running.finished()
                watch.cancel()
                let shown = await watch.value
                #expect(shown == [])

                try #require(build.status == 0, "\(build.story)")
                for value in Self.values {
                    // The step has read it: its sum is in the log.
                    #expect(build.errorText.contains(try await sha256(of: value, in: scene.folder)))
                    #expect(!build.errorText.contains(value) && !build.output.contains(value))
                }
                for folder in [scene.registry.storage.path, scene.orchestrator.state] {
                    let left = try await onDisk(folder, scene)
                    #expect(left == "")
                }
                for event in try await scene.events() {
                    let text = String(decoding: event.body, as: UTF8.self)
                    #expect(!Self.values.contains { text.contains($0) })
                }
            }
        }

        /// A step may print what it was given; nobody sees it all the same.
        @Test func whatAStepPrintsOfThemIsMasked() async throws {
            try await withScene { scene in
                let context = try scene.context(
                    """
                    \(Scene.shell)RUN --mount=type=secret,id=npm echo "before-$(busybox cat /run/secrets/npm)-after"; exit 3
                    """)
                let build = try await scene.build(
                    scene.flags(context) + ["--secret", "id=npm,env=NPM_TOKEN"],
                    environment: ["NPM_TOKEN": Self.values[0]])
                #expect(build.status == 1, "\(build.story)")
                #expect(build.errorText.contains("before-***-after"))
                #expect(build.output.contains("before-***-after"))
                #expect(!build.errorText.contains(Self.values[0]) && !build.output.contains(Self.values[0]))
            }
        }

        /// Events go to whoever listens: whatever a build was given in confidence, nothing of it is in any.
        @Test(arguments: [0, 7])
        func noEventHoldsAny(exitStatus: Int) async throws {
            let user = Registry.User()
            let nkey = (
                seed: "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
                publicKey: "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
            )
            let confidential = ["value-of-the-argument-c3a9", Self.values[0], user.password, nkey.seed, nkey.publicKey]
            let settings = """
                authorization { users = [{ nkey: "\(nkey.publicKey)" }, { user: "watcher", password: "w" }] }
                """
            try await withRegistry(for: user) { registry in
                try await withNATSServer(settings) { nats in
                    try await withScene { scene in
                        let watcher = try await NATSSubscriber(
                            port: nats.port, login: #""user":"watcher","pass":"w""#)
                        defer { watcher.stop() }
                        _ = try scene.context(
                            """
                            \(Scene.shell)ARG WORD
                            RUN --mount=type=secret,id=npm busybox cat /run/secrets/npm; echo $WORD; exit \(exitStatus)
                            """)
                        let directives = try scene.directives([
                            "schema_version": "1", "workspace": .string(scene.workspace),
                            "artifacts": [
                                [
                                    "name": "app", "context": "context",
                                    "image": .string("\(registry.host)/acme/app:1"),
                                    "build_args": ["WORD": .string(confidential[0])],
                                    "secrets": [["id": "npm", "ref": ["via": "env", "name": "NPM_TOKEN"]]],
                                ]
                            ],
                            "compute": ["provider": "local"],
                            "registry": [
                                "provider": "generic", "endpoint": .string(registry.host), "namespace": "acme",
                                "credential": ["via": "env", "name": "PASSWORD", "username": .string(user.name)],
                            ],
                        ])
                        let build = try await scene.build(
                            ["--directives", directives],
                            environment: [
                                "NPM_TOKEN": Self.values[0], "PASSWORD": user.password,
                                "NATS_URL": nats.url, "NATS_NKEY_SEED": nkey.seed,
                            ])
                        #expect(build.status == (exitStatus == 0 ? 0 : 1), "\(build.story)")
                        try await watcher.settle()
                        let events = watcher.messages()
                        let last = exitStatus == 0 ? "completed" : "failed"
                        #expect(events.map { $0.subject.split(separator: ".").last } == ["started", last[...]])
                        for value in confidential + [scene.orchestrator.token, "exit \(exitStatus)"] {
                            for event in events {
                                let text =
                                    "\(event.subject) \(event.headers) \(String(decoding: event.body, as: UTF8.self))"
                                #expect(!text.contains(value), "\(text)")
                            }
                        }
                        // They were all in the build's hands.
                        #expect(build.errorText.contains(confidential[0]) && build.errorText.contains("***"))
                    }
                }
            }
        }

        /// Processes that show a value in their arguments or, besides the caller's own, in their environment.
        private func shownByProcesses(besides caller: pid_t) async -> [String] {
            var shown: [String] = []
            while !Task.isCancelled {
                for value in Self.values {
                    shown += processes(holding: value).map { "arguments of \($0)" }
                    let holders = processes(holding: value, in: "environ").filter { $0 != caller }
                    // A child of lian-build shows its environment until it runs its own program.
                    let others = holders.filter { program(of: $0)?.hasSuffix("/lian-build") == false }
                    let shownByOthers = Set(others).intersection(processes(holding: value, in: "environ"))
                    shown += shownByOthers.map { "environment of \($0) \(program(of: $0) ?? "")" }
                }
                try? await Task.sleep(for: .milliseconds(20))
            }
            return shown
        }

        /// The files below the folder, on its own file system, that hold a value, compressed or not.
        private func onDisk(_ folder: String, _ scene: Scene) async throws -> String {
            let patterns = scene.folder.appending(path: "patterns")
            try (Self.values.joined(separator: "\n") + "\n").write(to: patterns, atomically: true, encoding: .utf8)
            let script = """
                find "$1" -xdev -type f | while read -r file; do
                  if zcat -f < "$file" | grep -qaFf "$2"; then echo "$file"; fi
                done
                """
            return try await runTool("/bin/sh", ["-c", script, "sh", folder, patterns.path])
        }

        private func sha256(of value: String, in folder: URL) async throws -> String {
            let file = folder.appending(path: "sum")
            try value.write(to: file, atomically: true, encoding: .utf8)
            return String(try await runTool("/usr/bin/sha256sum", [file.path]).prefix(64))
        }
    }
}
