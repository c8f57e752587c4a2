import Foundation
import LianModel
import LianTestSupport
import Testing

/// Every Nickel file of the project exports by itself, and the examples are directives.
@Suite struct NickelFilesTests {
    private static let folders = ["schemas", "defaults", "examples", "adrs", "catalog"]

    private func files() throws -> [URL] {
        try Self.folders.flatMap { folder -> [URL] in
            let root = Project.root.appending(path: folder)
            let names = try FileManager.default.subpathsOfDirectory(atPath: root.path)
            return names.filter { $0.hasSuffix(".ncl") }.sorted().map { root.appending(path: $0) }
        }
    }

    private func exported(_ path: String) async throws -> JSONValue {
        let answer = try await nickelExport(Project.root.appending(path: path))
        return try #require(answer.value, "\(path): \(answer.diagnostic)")
    }

    @Test func everyFileExports() async throws {
        let files = try files()
        let answers = try await concurrently(files) { _, file in try await nickelExport(file) }
        #expect(answers.count > 20)
        for (file, answer) in zip(files, answers) {
            #expect(answer.value != Optional.none, "\(file.path): \(answer.diagnostic)")
        }
    }

    @Test func theExamplesAreDirectives() async throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Project.root.appending(path: "examples").path)
            .filter { $0.hasSuffix(".ncl") && $0 != "orchestrator.ncl" }
        #expect(
            Set(names).isSuperset(of: ["ci.ncl", "session.ncl", "monorepo.ncl", "extra-contexts.ncl", "sample.ncl"]))
        for name in names {
            let directives = try BuildDirectives(JSONNode(try await exported("examples/\(name)")))
            for artifact in directives.artifacts {
                let context = Project.root.appending(path: "examples/\(artifact.context.folder ?? "")")
                let dockerfile = context.appending(path: artifact.dockerfile ?? BuildArtifact.defaultDockerfile)
                #expect(FileManager.default.fileExists(atPath: dockerfile.path), "\(name): \(dockerfile.path)")
                for path in artifact.extraContexts.values.compactMap(\.place?.folder) {
                    let folder = Project.root.appending(path: "examples/\(path)")
                    #expect(FileManager.default.fileExists(atPath: folder.path), "\(name): \(path)")
                }
            }
        }
    }

    @Test func theExamplesSayWhatTheyAreFor() async throws {
        let orchestrator = try OrchestratorConfig(JSONNode(try await exported("examples/orchestrator.ncl")))
        #expect(orchestrator.tokens?.map(\.role) == [.build, .build, .read, .admin])
        let session = try BuildDirectives(JSONNode(try await exported("examples/session.ncl")))
        #expect(session.cache?.mode == .session(SessionActor(id: "mei", kind: .human)))
        let ci = try BuildDirectives(JSONNode(try await exported("examples/ci.ncl")))
        #expect(ci.cache?.mode == .ci)
        let monorepo = try BuildDirectives(JSONNode(try await exported("examples/monorepo.ncl")))
        #expect(monorepo.artifactsInBuildOrder.map(\.name) == ["base", "api", "web", "bundle"])
        let extra = try BuildDirectives(JSONNode(try await exported("examples/extra-contexts.ncl")))
        #expect(
            extra.artifacts.first?.extraContexts == [
                "shared": .place(.folder("contexts/site")),
                "base": .image(try #require(ImageReference("localhost:5000/acme/base:1"))),
            ])
        let spec = try BuildSpec(JSONNode(try await exported("examples/contexts/site/.build-spec.ncl")))
        #expect(spec.cpu == 2 && spec.memoryGB == 4 && spec.timeBudgetMinutes == 15 && spec.language == "go")
    }

    /// Each constructor takes the least its record needs, and adds no default that would then count as written.
    @Test func constructorsAddOnlyWhatIsRequired() async throws {
        let answer = try await withTemporaryFolder { folder in
            try await nickelExport(
                """
                let make = import "\(Project.root.path)/defaults/build_directives.ncl" in
                let one = make.make_build_artifact { name = "a", context = ".", image = "localhost/a:1" } in
                let local = make.make_compute_provider_ref { provider = 'local } in
                let zot = make.make_registry_provider_ref { provider = 'zot, endpoint = "localhost" } in
                {
                  directives = make.make_build_directives {
                    workspace = "acme", artifacts = [one], compute = local, registry = zot
                  },
                  secret = make.make_build_secret { id = "a", ref = make.make_vault_cred_ref { via = 'env, name = "A" } },
                  attestations = make.make_attestations {},
                  tier = make.make_tier_spec { name = "a", cpu = 1, memory_gb = 1 },
                  runner = make.make_runner_override {},
                  nats = make.make_nats_event_config { url = "nats://h" },
                  key = make.make_vault_key_ref { via = 'file, path = "k" },
                  actor = make.make_session_actor { id = "bot", kind = 'agent },
                  mode = make.make_build_mode { kind = 'ci },
                  policy = make.make_cache_policy { mode = make.make_build_mode { kind = 'ci } },
                  spec = make.make_build_spec {},
                  ci = make.ci_cache_policy & { export = ["localhost/a:cache"] },
                  session = make.session_cache_policy { id = "mei" },
                }
                """, named: "made.ncl", in: folder)
        }
        let value = try #require(answer.value, "\(answer.diagnostic)")
        #expect(
            value == [
                "directives": [
                    "schema_version": "1", "workspace": "acme",
                    "artifacts": [["name": "a", "context": ".", "image": "localhost/a:1"]],
                    "compute": ["provider": "local"], "registry": ["provider": "zot", "endpoint": "localhost"],
                ],
                "secret": ["id": "a", "ref": ["via": "env", "name": "A"]], "attestations": [:],
                "tier": ["name": "a", "cpu": 1, "memory_gb": 1], "runner": [:], "nats": ["url": "nats://h"],
                "key": ["via": "file", "path": "k"], "actor": ["id": "bot", "kind": "agent"], "mode": ["kind": "ci"],
                "policy": ["mode": ["kind": "ci"]], "spec": [:],
                "ci": ["mode": ["kind": "ci"], "export": ["localhost/a:cache"]],
                "session": ["mode": ["kind": "session", "actor": ["id": "mei", "kind": "human"]]],
            ])
    }

    @Test func theFirstDecisionCarriesItsSearches() async throws {
        let decision = try await exported("adrs/adr-001-lian-build-as-standalone.ncl")
        #expect(
            decision["constraints"] == [
                [
                    "name": "no-provisioning-lib-import", "pattern": "platform-config|provisioning|stratum-",
                    "paths": ["Package.swift", "Sources"],
                ],
                [
                    "name": "build-directives-ncl-vocabulary", "pattern": "provisioning_workspace|vapora_|woodpecker_",
                    "paths": ["Package.swift", "Sources"],
                ],
            ])
    }
}
