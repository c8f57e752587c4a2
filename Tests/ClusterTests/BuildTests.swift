import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The real programs, with runners on the cluster.
extension Clustered.Builds {
    @Suite(.needsNATSServer, .needsNickel) struct BuildTests {
        /// From a context to a pushed image, by HTTPS to all members and a certificate that the cluster trusts.
        @Test func aWholeBuildOnTheCluster() async throws {
            try await withClusterStage { ground in
                try await withBuildScene(on: ground.stage) { scene in
                    let context = try scene.context("\(BuildScene.shell)RUN echo built on the cluster\n")
                    let build = try await scene.build(context: context)
                    #expect(build.status == 0, "\(build.errorText) \(ground.stage.orchestrator.log)")
                    #expect(try await scene.pushedDigest() != nil)
                }
            }
        }

        /// Row 39: the build goes on while its member's daemon is dead, and what it needed is gone once that is back.
        @Test func aMembersDaemonDiesInMidBuild() async throws {
            try await withBuildInAStep { ground, scene, build, gate in
                let member = try await ground.memberOfTheRunner()
                ground.cluster.killDaemon(of: member)
                let witness = try #require(Cluster.names.first { $0 != member })
                #expect(
                    try await eventually { try await ground.cluster.statuses(at: witness).contains("Error") })
                // As often as it takes to see that the reaper would have ended it.
                let orchestrator = ground.stage.orchestrator
                for _ in 0..<15 {
                    #expect(try await orchestrator.runners().count == 1)
                    try await Task.sleep(for: .seconds(1))
                }
                gate.open()
                let finished = try await build.finished(within: .seconds(300))
                #expect(finished.status == 0, "\(finished.story) \(orchestrator.log)")
                #expect(finished.warningCodes.contains("runner_not_destroyed"))
                #expect(orchestrator.hasLogged("teardown_failed"))
                try await ground.cluster.start(member)
            }
        }

        /// Row 40: the whole host of its member dies. The next build runs on another one, and what is left goes once the
        /// host is back.
        @Test func aMembersHostDiesInMidBuild() async throws {
            try await withBuildInAStep { ground, scene, build, _ in
                let member = try await ground.memberOfTheRunner()
                try await ground.cluster.killHost(of: member)
                let finished = try await build.finished(within: .seconds(300))
                #expect(finished.status == 4 && finished.errorCode == "connection_lost", "\(finished.story)")
                #expect(
                    finished.message.contains("the cluster's member \(member) does not answer"), "\(finished.story)")
                let next = try await scene.build(
                    context: try scene.context(BuildScene.shell, named: "next"), ["--volume", "off"])
                #expect(next.status == 0, "\(next.story) \(ground.stage.orchestrator.log)")
                try await ground.cluster.start(member)
            }
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
                let answer = try await orchestrate(
                    ["--config", try writeConfig(config, in: folder), "--check"], in: folder, within: .seconds(60))
                #expect(answer.termination == .exited(2))
                #expect(answer.outputText.contains(words), "\(answer.outputText)\(answer.errorText)")
            }
        }
    }
}
