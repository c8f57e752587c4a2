import Foundation
import LianModel
import LianTestSupport
import Testing

/// A registry that takes pushes from one user alone: what builds with every engine do with it.
struct CredentialCases {
    private let user = Registry.User()

    func dockerConfig(_ scene: Scene, _ registry: Registry, password: String) throws -> String {
        let folder = scene.folder.appending(path: "docker")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let login = Data("\(user.name):\(password)".utf8).base64EncodedString()
        let config: JSONValue = [
            "auths": [registry.host: ["auth": .string(login)], "elsewhere.test": ["auth": "eDp5"]]
        ]
        try config.encoded().write(to: folder.appending(path: "config.json"), atomically: true, encoding: .utf8)
        return folder.path
    }

    func theCallersDockerConfigIsUsed() async throws {
        try await withRegistry(for: user) { registry in
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo made > /made\n")
                let flags = [
                    "--workspace", scene.workspace, "--context", context, "--image", "\(registry.host)/acme/app:1",
                ]
                func build(password: String) async throws -> FinishedBuild {
                    let config = try dockerConfig(scene, registry, password: password)
                    return try await scene.build(flags, environment: ["DOCKER_CONFIG": config])
                }
                let wrong = try await build(password: "wrong-password-77")
                #expect(wrong.status == 1 && wrong.errorCode == "push_failed", "\(wrong.story)")
                #expect(wrong.hint.contains("credentials"))
                #expect(!wrong.story.contains("wrong-password-77"))

                for isSecond in [false, true] {
                    let right = try await build(password: user.password)
                    try #require(right.status == 0, "\(right.story)")
                    #expect(right.digest == (try await registry.digest(of: "acme/app", tag: "1")))
                    #expect((right.cachedSteps ?? 0 > 0) == isSecond)
                    #expect(!right.story.contains(user.password))
                }
            }
        }
    }

    func directivesNameTheirOwn() async throws {
        try await withRegistry(for: user) { registry in
            try await withScene { scene in
                _ = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                let file = try scene.directives([
                    "schema_version": "1", "workspace": .string(scene.workspace),
                    "artifacts": [
                        ["name": "app", "context": "context", "image": .string("\(registry.host)/acme/app:1")]
                    ],
                    "compute": ["provider": "local"],
                    "registry": [
                        "provider": "generic", "endpoint": .string(registry.host), "namespace": "acme",
                        "credential": ["via": "env", "name": "REGISTRY_PASSWORD", "username": .string(user.name)],
                    ],
                ])
                let missing = try await scene.build(["--directives", file])
                #expect(missing.status == 2 && missing.errorCode == "credential_missing", "\(missing.story)")
                let build = try await scene.build(
                    ["--directives", file], environment: ["REGISTRY_PASSWORD": user.password])
                try #require(build.status == 0, "\(build.story)")
                #expect(build.digest == (try await registry.digest(of: "acme/app", tag: "1")))
                #expect(!build.story.contains(user.password))
            }
        }
    }
}

extension EndToEnd {
    @Suite struct CredentialTests {
        @Test func theCallersDockerConfigIsUsed() async throws {
            try await CredentialCases().theCallersDockerConfigIsUsed()
        }

        @Test func directivesNameTheirOwn() async throws {
            try await CredentialCases().directivesNameTheirOwn()
        }
    }
}
