import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The real programs, with runners on the stand-in cloud.
extension Clustered.HCloud {
    @Suite(.needsNATSServer, .needsNickel) struct CloudProgramTests {
        private func withFolderAndToken(_ body: (URL, _ token: String) async throws -> Void) async throws {
            try await withTemporaryFolder { folder in
                let token = folder.appending(path: "token").path
                try writeFile(token, "\(StandInCloud.token)\n")
                try await body(folder, token)
            }
        }

        /// From a context to a pushed image.
        @Test func aWholeBuildOnTheCloud() async throws {
            let cluster = try requireCluster()
            try await withFolderAndToken { folder, token in
                try await StandInCloud.with(cluster) { cloud in
                    try await withBuildStage(
                        engine: "auto",
                        moreFlags: { registry in
                            cloud.addProfile(try await cluster.letReach(registry))
                            let config = try cloudConfig(cloud, ["token": ["via": "file", "path": .string(token)]])
                            return ["--config", try writeConfig(config, in: folder)]
                        },
                        { stage in
                            try await withBuildScene(on: stage) { scene in
                                let context = try scene.context("\(BuildScene.shell)RUN echo built in the cloud\n")
                                let build = try await scene.build(context: context)
                                #expect(build.status == 0, "\(build.errorText) \(stage.orchestrator.log)")
                                #expect(try await scene.pushedDigest() != nil)
                                #expect(!stage.orchestrator.log.contains(StandInCloud.token))
                            }
                            #expect(cloud.servers.isEmpty)
                            try await cluster.removeProfile(cluster.profile(of: stage.registry))
                        })
                }
            }
        }

        private enum Moment: String, CaseIterable, Sendable {
            case beforeCreate, afterCreate, whileStarting, beforeDelete, afterDelete

            func isNow(_ method: String, _ path: String) -> Bool {
                switch self {
                case .beforeCreate, .afterCreate: method == "POST" && path == "/servers"
                case .whileStarting: path.hasPrefix("/actions/")
                case .beforeDelete, .afterDelete: method == "DELETE"
                }
            }

            var deed: StandInCloud.Deed { rawValue.hasPrefix("before") ? .loseRequest : .loseAnswer }
            var needsARunner: Bool { self == .beforeDelete || self == .afterDelete }
        }

        /// Row 44: the orchestrator is killed in each step of making and of unmaking a runner.
        @Test(arguments: Moment.allCases)
        private func whatAKilledOrchestratorLeavesIsFound(moment: Moment) async throws {
            try await withFolderAndToken { folder, token in
                try await StandInCloud.with(try requireCluster()) { cloud in
                    let config = try cloudConfig(cloud, ["token": ["via": "file", "path": .string(token)]])
                    try await withOrchestrator(flags: ["--config", try writeConfig(config, in: folder)]) {
                        orchestrator in
                        let order = try await Caller(in: folder).order(memoryMB: 512)
                        let isReached = Guarded(false)
                        let rule: StandInCloud.Rule = { method, path in
                            guard moment.isNow(method, path) else { return .pass }
                            isReached.set(true)
                            return moment.deed
                        }
                        if moment.needsARunner {
                            let runner = try await orchestrator.readyRunner(order)
                            cloud.rule(rule)
                            async let destroyed = orchestrator.destroy(runner.id)
                            #expect(await eventually { isReached.value })
                            orchestrator.kill()
                            _ = try? await destroyed
                        } else {
                            cloud.rule(rule)
                            _ = try await orchestrator.spawn(order, key: UUID().uuidString)
                            #expect(await eventually { isReached.value })
                            orchestrator.kill()
                        }
                        cloud.rule { _, _ in .pass }
                        try await orchestrator.start()
                        #expect(await eventually { cloud.servers.isEmpty })
                        #expect(try await orchestrator.runners().isEmpty)
                    }
                }
            }
        }

        /// Row 49: builds go on without the token; what cannot be destroyed is told, and gone after SIGHUP.
        @Test func aRevokedTokenIsToldAndRenewed() async throws {
            try await withFolderAndToken { folder, token in
                try await StandInCloud.with(try requireCluster()) { cloud in
                    let config = try cloudConfig(cloud, ["token": ["via": "file", "path": .string(token)]])
                    try await withOrchestrator(flags: ["--config", try writeConfig(config, in: folder)]) {
                        orchestrator in
                        let caller = try await Caller(in: folder)
                        let runner = try await orchestrator.readyRunner(caller.order(memoryMB: 512))
                        cloud.renew(token: "another-token")
                        #expect(await eventually { orchestrator.hasLogged("runner_unseen") })
                        #expect(try await orchestrator.runners() == [runner.id])
                        #expect(try await caller.ssh(runner, "true").termination.isSuccess)
                        let spawned = try await orchestrator.spawn(
                            caller.order(build: "b-2", memoryMB: 512), key: UUID().uuidString)
                        #expect(spawned.status == 503)
                        #expect(spawned.json["error"]?["code"] == "provider_unreachable")
                        #expect(spawned.json.encoded().contains("it refuses the token: make one"))
                        #expect(try await orchestrator.destroy(runner.id).status >= 500)
                        #expect(orchestrator.hasLogged("teardown_failed") && cloud.servers.count == 1)
                        try writeFile(token, "another-token")
                        let pid = try #require(orchestrator.pid)
                        kill(pid, SIGHUP)
                        #expect(await eventually { cloud.servers.isEmpty })
                    }
                }
            }
        }

        private enum Wrong: String, CaseIterable, Sendable {
            case token, image, snapshot, type, location, placement, architecture, network, endpoint
            case standbySize, standbyImage

            var fields: [String: JSONValue] {
                switch self {
                case .token: [:]
                case .image: ["image": "debian-99"]
                case .snapshot: ["image": "4711"]
                case .type: ["types": ["cx22": "cx22"]]
                case .location: ["locations": ["mars1"]]
                case .placement: ["types": ["cx22": "cpx22"], "locations": ["fsn1"]]
                case .architecture: ["types": ["cx22": "cx23", "cax11": "cax11"]]
                case .network: ["networks": ["runners"]]
                case .endpoint: ["endpoint": "http://127.0.0.1:1/v1"]
                case .standbySize: ["standby": ["count": 1, "size": ["cpu": 64, "memory_gb": 4]]]
                case .standbyImage:
                    ["standby": ["count": 1, "size": ["cpu": 2, "memory_gb": 4], "image": "debian-99"]]
                }
            }

            var words: String {
                switch self {
                case .token: "it refuses the token: make one for the project, with read and write access"
                case .image: "the project has no image 'debian-99' for x86: name a system image"
                case .snapshot: "the project has no image '4711'"
                case .type: "the cloud has no server type 'cx22': put into 'types' what it has now, as cax11, cpx22"
                case .location: "the cloud has no location 'mars1': it has fsn1, hel1, nbg1"
                case .placement: "'cpx22' is in none of 'locations': the cloud has it in hel1, nbg1"
                case .architecture: "'types' are of two architectures"
                case .network: "the project has no network 'runners'"
                case .endpoint: "no connection can be made"
                case .standbySize: "standby: no server type is for tier '' or has 64 CPUs and 4096 MB"
                case .standbyImage: "the project has no image 'debian-99' for x86: name a system image"
                }
            }
        }

        /// What is wrong is said in words before anything is served.
        @Test(arguments: Wrong.allCases)
        private func whatIsWrongIsToldByCheck(wrong: Wrong) async throws {
            try await withFolderAndToken { folder, token in
                try await StandInCloud.with(try requireCluster()) { cloud in
                    if wrong == .token { cloud.renew(token: "another-token") }
                    let fields = wrong.fields.merging(["token": ["via": "file", "path": .string(token)]]) { $1 }
                    let file = try writeConfig(try cloudConfig(cloud, fields), in: folder)
                    let answer = try await orchestrate(
                        ["--config", file, "--check"], in: folder, within: .seconds(120))
                    #expect(answer.termination == .exited(2))
                    #expect(answer.outputText.contains(wrong.words), "\(answer.outputText)\(answer.errorText)")
                    #expect(!(answer.outputText + answer.errorText).contains(StandInCloud.token))
                }
            }
        }

        /// A snapshot is made by the API alone, and nothing else is left of it.
        @Test func anImageIsMade() async throws {
            try await withFolderAndToken { folder, _ in
                try await StandInCloud.with(try requireCluster()) { cloud in
                    // Of a real one the program that it was given ends it.
                    cloud.fate { _ in .neverBoots }
                    let output = folder.appending(path: "image").path
                    async let made = run(
                        Command(
                            Project.root.appending(path: "scripts/runner-image").path, ["hcloud", "--output", output],
                            environment: [
                                "PATH": systemPrograms, "HCLOUD_TOKEN": StandInCloud.token,
                                "HCLOUD_ENDPOINT": cloud.url,
                            ]), deadline: .seconds(300))
                    #expect(await eventually { cloud.servers.first?.status == "running" })
                    let server = try #require(cloud.servers.first)
                    #expect(server.image == "debian-12" && server.name.hasPrefix("lian-image-"))
                    cloud.turnOff(server.id)
                    let answer = try await made
                    #expect(answer.termination == .exited(0), "\(answer.errorText)")
                    #expect(await eventually { cloud.servers.isEmpty })
                    let number = try readText(output).trimmingLineEnd()
                    let file = try writeConfig(try cloudConfig(cloud, ["image": .string(number)]), in: folder)
                    let checked = try await orchestrate(
                        ["--config", file, "--check"], in: folder, environment: ["CLOUD_TOKEN": StandInCloud.token],
                        within: .seconds(120))
                    #expect(checked.outputText.contains("hcloud: image \(number),"), "\(checked.outputText)")
                }
            }
        }
    }
}

/// The stand-ins' tables against the whole of what the owners of the APIs say, where that is at hand.
@Suite struct APITableTests {
    private static func description(_ api: String) -> String? {
        ProcessInfo.processInfo.environment["LIAN_\(api.uppercased())_API"]
    }

    @Test(
        .enabled(
            if: APITableTests.description("hcloud") != nil,
            "LIAN_HCLOUD_API names no file with the description of Hetzner Cloud's API"))
    func theTableOfHetznerCloudIsAsTheOwnerSays() async throws { try await hold("hcloud") }

    @Test(
        .enabled(
            if: APITableTests.description("proxmox") != nil,
            "LIAN_PROXMOX_API names no file with the description of Proxmox VE's API"))
    func theTableOfProxmoxIsAsTheOwnerSays() async throws { try await hold("proxmox") }

    private func hold(_ api: String) async throws {
        let description = try #require(Self.description(api))
        let table = Project.root.appending(path: "Tests/Fixtures/\(api)-api.json").path
        let answer = try await run(
            Command(
                Project.root.appending(path: "scripts/lib/api-table").path, [description, table],
                environment: ["PATH": systemPrograms]), deadline: .seconds(120))
        #expect(answer.termination == .exited(0), "\(answer.outputText)\(answer.errorText)")
    }

    @Test func whatIsNotAsTheTableSaysIsRefused() throws {
        let table = try APITable("hcloud-api.json")
        let create = try #require(table.operation("POST", "/servers"))
        let good: [String: JSONValue] = ["name": "a", "image": "debian-12", "server_type": "cx23"]
        #expect(table.problem(with: [:], .object(good), for: create) == nil)
        for (field, value, says) in [
            ("image", JSONValue.null, "image is no text"), ("labels", ["a": "-"], "labels.a has not the form"),
            ("networks", ["n"], "networks[0] is no whole number"), ("colour", "red", "unknown 'colour'"),
            ("public_net", ["enable_ipv4": 1], "neither true nor false"),
        ] {
            let body = good.merging([field: value]) { $1 }
            #expect(table.problem(with: [:], .object(body), for: create)?.contains(says) == true, "\(field)")
        }
        #expect(table.problem(with: [:], ["name": "a"], for: create)?.contains("lacks 'image'") == true)
        #expect(table.problem(with: ["colour": "red"], nil, for: create) != nil)
        #expect(table.operation("PATCH", "/servers") == nil && table.operation("GET", "/servers/1/2") == nil)
    }
}
