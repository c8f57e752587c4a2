import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The real programs, with runners on the cluster.
extension Clustered {
    @Suite(.needsNATSServer, .needsNickel) struct BuildTests {
        /// From a context to a pushed image, by HTTPS to all members and a certificate that the cluster trusts.
        @Test func aWholeBuildOnTheCluster() async throws {
            let cluster = try requireCluster()
            try await withTemporaryFolder { folder in
                let config = try await networkConfig(cluster, in: folder)
                try await withBuildStage(
                    engine: "auto",
                    moreFlags: { registry in
                        let profile = try await cluster.letReach(registry)
                        let fields = config.merging(["profiles": ["default", .string(profile)]]) { $1 }
                        return ["--config", try writeConfig(fields, in: folder)]
                    },
                    { stage in
                        try await withBuildScene(on: stage) { scene in
                            let context = try scene.context("\(BuildScene.shell)RUN echo built on the cluster\n")
                            let build = try await scene.build(context: context)
                            #expect(build.status == 0, "\(build.errorText) \(stage.orchestrator.log)")
                            #expect(try await scene.pushedDigest() != nil)
                        }
                        try await cluster.removeProfile(cluster.profile(of: stage.registry))
                    })
            }
            #expect(try await cluster.instances().isEmpty)
        }

        /// Row 40: the whole host of its member dies in mid-build.
        @Test func aBuildWhoseMembersHostDies() async throws {
            let cluster = try requireCluster()
            try await withTemporaryFolder { folder in
                // The tests themselves ask the first member.
                let config = try await networkConfig(cluster, in: folder).merging(["members": ["c2", "c3"]]) { $1 }
                try await withBuildStage(
                    engine: "auto",
                    moreFlags: { registry in
                        let profile = try await cluster.letReach(registry)
                        let fields = config.merging(["profiles": ["default", .string(profile)]]) { $1 }
                        return ["--config", try writeConfig(fields, in: folder)]
                    },
                    { stage in
                        try await withBuildScene(on: stage) { scene in
                            let context = try scene.context("\(BuildScene.shell)RUN echo it is on; sleep 3600\n")
                            let build = try scene.start(scene.flags(context) + ["--progress", "plain"])
                            try await build.says("it is on")
                            let name = try #require(try await cluster.instances().first)
                            let member = try #require(
                                try await cluster.get("/1.0/instances/\(name)")["location"]?.stringValue)
                            try await cluster.killHost(of: member)
                            let end = try await build.finished(within: .seconds(300))
                            #expect(end.status == 4 && end.errorCode == "connection_lost", "\(end.story)")
                            #expect(end.message.contains("its member \(member) does not answer"), "\(end.story)")

                            let next = try scene.context(
                                "\(BuildScene.shell)RUN echo on the other one\n", named: "next")
                            let built = try await scene.build(context: next)
                            #expect(built.status == 0, "\(built.story) \(stage.orchestrator.log)")
                            try await cluster.start(member)
                            // Where the whole list may be asked for again, what is left of the first one goes.
                            #expect(await eventually { (try? await cluster.instances().isEmpty) == true })
                            #expect(await eventually { (try? await scene.orchestrator.runners().isEmpty) == true })
                        }
                        try await cluster.removeProfile(cluster.profile(of: stage.registry))
                    })
            }
        }

        private func networkConfig(_ cluster: Cluster, in folder: URL) async throws -> [String: JSONValue] {
            let certificate = folder.appending(path: "client.crt").path
            let key = folder.appending(path: "client.key").path
            _ = try await runTool(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-days", "2",
                    "-subj", "/CN=lian", "-keyout", key, "-out", certificate,
                ])
            try await cluster.lxc(["config", "trust", "add", certificate])
            return [
                "kind": "lxd", "image": .string(Cluster.image), "memory_reserve_gb": 1,
                "endpoints": Cluster.names.map(cluster.url).json, "client_certificate": .string(certificate),
                "client_key": ["via": "file", "path": .string(key)],
                "server_certificate": .string(cluster.certificate),
            ]
        }

        private enum Wrong: String, CaseIterable, Sendable {
            case serverCertificate, clientCertificate, image, endpoint
        }

        /// What is wrong is said in words before anything is served.
        @Test(arguments: Wrong.allCases)
        private func whatIsWrongIsToldByCheck(wrong: Wrong) async throws {
            let cluster = try requireCluster()
            try await withTemporaryFolder { folder in
                var config = try await networkConfig(cluster, in: folder)
                let authority = try await TestAuthority(in: folder)
                let stranger = try await authority.server()
                let words: String
                switch wrong {
                case .serverCertificate:
                    config["server_certificate"] = .string(stranger.certificate)
                    words = "its certificate does not hold"
                case .clientCertificate:
                    config["client_certificate"] = .string(stranger.certificate)
                    config["client_key"] = ["via": "file", "path": .string(stranger.key)]
                    words = "lxc config trust add"
                case .image:
                    config["image"] = "none-of-that-name"
                    words = "the cluster has no image 'none-of-that-name'"
                case .endpoint:
                    config["endpoints"] = [.string("https://127.0.0.1:\(try refusingPort())")]
                    words = "no connection can be made"
                }
                let answer = try await run(
                    Command(
                        Project.executable("lian-orchestrator"),
                        ["--config", try writeConfig(config, in: folder), "--check", "--state", folder.path],
                        environment: ["PATH": systemPrograms]),
                    deadline: .seconds(60))
                #expect(answer.termination == .exited(2))
                #expect(answer.outputText.contains(words), "\(answer.outputText)\(answer.errorText)")
            }
        }
    }
}
