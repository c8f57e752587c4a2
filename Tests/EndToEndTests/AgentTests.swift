import Foundation
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    @Suite struct AgentTests {
        @Test func theCallersAgentSigns() async throws { try await AgentCases().theCallersAgentSigns() }
        @Test func aKeySigns() async throws { try await AgentCases().aKeySigns() }
        @Test func aStepWithoutItsAgent() async throws { try await AgentCases().aStepWithoutItsAgent() }

        /// The sockets of agents lie deeper below the state folder than all others, and root's own has 36 characters.
        @Test func aKeyServesBelowALongStateFolder() async throws {
            try await withBuildStage(stateLength: 39) { stage in
                #expect(!stage.orchestrator.hasLogged("no_agents"))
                try await withBuildScene(on: stage) { scene in try await AgentCases().keysSign(in: scene) }
            }
        }
    }
}

/// `RUN --mount=type=ssh` with OpenSSH's own program in the step, for any engine.
struct AgentCases {
    /// A context with ssh-add in it, and what that needs.
    private func context(_ scene: Scene, _ steps: String) async throws -> String {
        let context = try scene.context("\(Scene.shell)COPY root /\n\(steps)\n")
        let script = """
            for file in /usr/bin/ssh-add $(ldd /usr/bin/ssh-add | grep -o '/[^ ]*'); do
              mkdir -p "$1/root${file%/*}" && cp -L "$file" "$1/root$file" || exit
            done
            """
        try await runTool("/bin/sh", ["-c", script, "sh", context])
        return context
    }

    /// Nothing of the key is in what was said, nor in the registry.
    private func expectNoKey(_ path: String, _ scene: Scene, _ build: FinishedBuild) async throws {
        let parts = try privateParts(ofKey: path)
        let runs = SecretRuns(parts)
        #expect(runs.found(in: build.output.utf8) == nil && runs.found(in: build.errorText.utf8) == nil)
        let script = """
            find "$1" -type f | while read -r file; do if zcat -f <"$file" | grep -qaF "$2"; then echo "$file"; fi; done
            """
        let text = String(decoding: parts[1], as: UTF8.self)
        let found = try await runTool("/bin/sh", ["-c", script, "sh", scene.registry.storage.path, text])
        #expect(found == "")
    }

    func theCallersAgentSigns() async throws {
        try await withScene { scene in
            let key = scene.folder.appending(path: "key").path
            try await makeSSHKey(key, ["-t", "ed25519"])
            try await withAgent(scene.folder) { agent in
                try await agent.add(key)
                let before = try await agent.keys()
                let context = try await context(
                    scene,
                    """
                    COPY key.pub /
                    RUN --mount=type=ssh ssh-add -T /key.pub && echo signed && ! ssh-add -D
                    """)
                try FileManager.default.copyItem(atPath: "\(key).pub", toPath: "\(context)/key.pub")
                let build = try await scene.build(
                    scene.flags(context) + ["--ssh", "default"], environment: ["SSH_AUTH_SOCK": agent.socket])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.errorText.contains("signed"))
                #expect(build.digest == (try await scene.pushedDigest()) && build.digest != nil)
                #expect(try await agent.keys() == before)
                try await expectNoKey(key, scene, build)
            }
        }
    }

    /// Two steps, each with a key of its own.
    func aKeySigns() async throws { try await withScene { try await keysSign(in: $0) } }

    func keysSign(in scene: Scene) async throws {
        var flags: [String] = []
        var keys: [String] = []
        for (id, kind) in [("default", "ed25519"), ("deploy", "rsa")] {
            let key = scene.folder.appending(path: id).path
            try await makeSSHKey(key, ["-t", kind])
            flags += ["--ssh", "\(id)=\(key)"]
            keys.append(key)
        }
        let context = try await context(
            scene,
            """
            COPY *.pub /
            RUN --mount=type=ssh ssh-add -T /default.pub && ! ssh-add -T /deploy.pub
            RUN --mount=type=ssh,id=deploy ssh-add -T /deploy.pub && ! ssh-add -T /default.pub && echo signed
            """)
        for key in keys {
            let name = URL(filePath: key).lastPathComponent
            try FileManager.default.copyItem(atPath: "\(key).pub", toPath: "\(context)/\(name).pub")
        }
        let build = try await scene.build(scene.flags(context) + flags)
        try #require(build.status == 0, "\(build.story)")
        #expect(build.errorText.contains("signed"))
        try await expectNoKey(keys[0], scene, build)
    }

    func aStepWithoutItsAgent() async throws {
        try await withScene { scene in
            let key = scene.folder.appending(path: "key").path
            try await makeSSHKey(key, ["-t", "ed25519"])
            let context = try await context(scene, "RUN --mount=type=ssh,id=other,required=true ssh-add -l")
            let build = try await scene.build(scene.flags(context) + ["--ssh", "default=\(key)"])
            #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
            #expect(build["error"]["message"]?.stringValue?.contains("other") == true, "\(build.story)")
        }
    }
}
