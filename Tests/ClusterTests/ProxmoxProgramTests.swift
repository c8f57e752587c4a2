import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The real programs, with runners on what stands in for a cluster of Proxmox VE.
extension Clustered.Proxmox {
    @Suite(.needsNATSServer, .needsNickel) struct ProxmoxProgramTests {
        private func withConfig(
            _ further: [String: JSONValue] = [:],
            _ body: (StandInProxmox, _ folder: URL, _ config: String, _ token: String) async throws -> Void
        ) async throws {
            try await withTemporaryFolder { folder in
                let token = folder.appending(path: "token").path
                try writeFile(token, "\(StandInProxmox.token)\n")
                try await StandInProxmox.with(try requireCluster()) { proxmox in
                    let fields = ["token": JSONValue.object(["via": "file", "path": .string(token)])]
                    let config = proxmoxConfig(proxmox, fields.merging(further) { $1 })
                    try await body(proxmox, folder, try writeConfig(config, in: folder), token)
                }
            }
        }

        /// From a context to a pushed image.
        @Test func aWholeBuildOnTheCluster() async throws {
            let cluster = try requireCluster()
            try await withConfig { proxmox, _, config, _ in
                try await withBuildStage(
                    engine: "auto",
                    moreFlags: { registry in
                        proxmox.addProfile(try await cluster.letReach(registry))
                        return ["--config", config]
                    },
                    { stage in
                        try await withBuildScene(on: stage) { scene in
                            let context = try scene.context("\(BuildScene.shell)RUN echo built in the cluster\n")
                            let build = try await scene.build(context: context)
                            #expect(build.status == 0, "\(build.errorText) \(stage.orchestrator.log)")
                            #expect(try await scene.pushedDigest() != nil)
                            #expect(!stage.orchestrator.log.contains(StandInProxmox.token))
                        }
                        #expect(proxmox.machines.isEmpty)
                        try await cluster.removeProfile(cluster.profile(of: stage.registry))
                    })
            }
        }

        /// What an operator runs first.
        @Test func theClusterIsTried() async throws {
            try await withConfig { proxmox, folder, config, _ in
                let tried = try await orchestrate(["--config", config, "--try", "proxmox"], in: folder)
                #expect(tried.termination == .exited(0), "\(tried.outputText)\(tried.errorText)")
                for step in ["provider", "spawn", "ssh", "tools", "build", "destroy"] {
                    #expect(tried.outputText.contains("\(step) "), "\(tried.outputText)")
                }
                #expect(proxmox.machines.isEmpty)
            }
        }

        private enum Moment: String, CaseIterable, Sendable {
            case beforeClone, afterClone, whileCloning, beforeTags, afterTags, beforeStart, afterStart, beforeStop,
                afterStop, beforeDelete, afterDelete

            func isNow(_ method: String, _ path: String) -> Bool {
                switch self {
                case .beforeClone, .afterClone: method == "POST" && path.hasSuffix("/clone")
                case .whileCloning: path.contains("qmclone") && path.hasSuffix("/status")
                case .beforeTags, .afterTags: method == "PUT"
                case .beforeStart, .afterStart: path.hasSuffix("/status/start")
                case .beforeStop, .afterStop: path.hasSuffix("/status/stop")
                case .beforeDelete, .afterDelete: method == "DELETE"
                }
            }

            var deed: StandInProxmox.Deed { rawValue.hasPrefix("before") ? .loseRequest : .loseAnswer }
            var isOfUnmaking: Bool { [.beforeStop, .afterStop, .beforeDelete, .afterDelete].contains(self) }
        }

        /// Row 44: the orchestrator is killed in each step of making and of unmaking a runner.
        @Test(arguments: Moment.allCases)
        private func whatAKilledOrchestratorLeavesIsFound(moment: Moment) async throws {
            try await withConfig { proxmox, folder, config, _ in
                proxmox.fate { _ in .neverBoots }
                proxmox.change { $0.holdsClones = moment == .whileCloning }
                try await withOrchestrator(flags: ["--config", config]) { orchestrator in
                    let isReached = Guarded(false)
                    proxmox.rule { method, path in
                        guard moment.isNow(method, path) else { return .pass }
                        isReached.set(true)
                        return moment.deed
                    }
                    let spawned = try await orchestrator.spawn(
                        try await Caller(in: folder).order(memoryMB: 512), key: UUID().uuidString)
                    let id = try #require(spawned.json["data"]?["runner_id"]?.stringValue)
                    if moment.isOfUnmaking {
                        #expect(await eventually { proxmox.machines.first?.status == "running" })
                        async let destroyed = orchestrator.destroy(id)
                        #expect(await eventually { isReached.value })
                        orchestrator.kill()
                        _ = try? await destroyed
                    } else {
                        #expect(await eventually { isReached.value })
                        orchestrator.kill()
                    }
                    proxmox.rule { _, _ in .pass }
                    try await orchestrator.start()
                    proxmox.change { $0.holdsClones = false }
                    #expect(await eventually { proxmox.machines.isEmpty }, "\(orchestrator.log)")
                    #expect(await eventually { (try? await orchestrator.runners().isEmpty) == true })
                }
            }
        }

        /// Row 49: a revoked token ends no runner; what cannot be destroyed is told, and gone after SIGHUP.
        @Test func aRevokedTokenIsToldAndRenewed() async throws {
            try await withConfig { proxmox, folder, config, token in
                try await withOrchestrator(flags: ["--config", config]) { orchestrator in
                    let caller = try await Caller(in: folder)
                    let runner = try await orchestrator.readyRunner(caller.order(memoryMB: 512))
                    let another = "\(StandInProxmox.user)!another=22222222-3333"
                    proxmox.change { $0.token = another }
                    #expect(await eventually { orchestrator.hasLogged("runner_unseen") })
                    #expect(try await orchestrator.runners() == [runner.id])
                    #expect(try await caller.ssh(runner, "true").termination.isSuccess)
                    let spawned = try await orchestrator.spawn(
                        caller.order(build: "b-2", memoryMB: 512), key: UUID().uuidString)
                    #expect(spawned.status == 503)
                    #expect(spawned.json["error"]?["code"] == "provider_unreachable")
                    #expect(spawned.json.encoded().contains("it refuses the token (invalid token value!): make one"))
                    #expect(try await orchestrator.destroy(runner.id).status >= 500)
                    #expect(orchestrator.hasLogged("teardown_failed") && proxmox.machines.count == 1)
                    try writeFile(token, another)
                    kill(try #require(orchestrator.pid), SIGHUP)
                    #expect(await eventually { proxmox.machines.isEmpty })
                }
            }
        }

        /// A template is made by the API alone, and nothing else is left of it.
        @Test func anImageIsMade() async throws {
            try await withConfig(["template": "8000"]) { proxmox, folder, config, _ in
                let disk = folder.appending(path: "disk.qcow2").path
                try writeFile(disk, "a disk")
                let output = folder.appending(path: "image").path
                let made = try await run(
                    Command(
                        Project.root.appending(path: "scripts/runner-image").path, ["proxmox", "--output", output],
                        environment: [
                            "PATH": systemPrograms, "PROXMOX_ENDPOINT": proxmox.url,
                            "PROXMOX_TOKEN": StandInProxmox.token, "PROXMOX_NODE": "pve1", "PROXMOX_VMID": "8000",
                            "PROXMOX_DISK": disk,
                        ]), deadline: .seconds(300))
                #expect(made.termination == .exited(0), "\(made.errorText)")
                #expect(try readText(output) == "8000\n")
                proxmox.change { state in #expect(state.files.isEmpty && state.machines[8000]?.isTemplate == true) }
                let checked = try await orchestrate(["--config", config, "--check"], in: folder)
                #expect(checked.outputText.contains("proxmox: template 8000, linux/amd64"), "\(checked.outputText)")
            }
        }

        private enum Wrong: String, CaseIterable, Sendable {
            case token, tokenForm, node, memory, template, agent, pool, storage, endpoint, certificate, stranger

            /// Of the configuration.
            var fields: [String: JSONValue] {
                switch self {
                case .node: ["nodes": ["pve1", "pve7"]]
                case .template: ["template": "9100"]
                case .pool: ["pool": "none"]
                case .storage: ["clone": "full", "storage": "ceph"]
                case .endpoint: ["endpoint": "https://127.0.0.1:1"]
                case .certificate: ["server_certificate": "none.pem"]
                case .token, .tokenForm, .memory, .agent, .stranger: [:]
                }
            }

            func befall(_ proxmox: StandInProxmox) {
                switch self {
                case .token: proxmox.change { $0.token = "another" }
                case .memory: proxmox.change { $0.nodes[1].memoryMB = nil }
                case .agent: proxmox.change { $0.machines[StandInProxmox.template]?.agent = "0" }
                default: break
                }
            }

            var words: String {
                switch self {
                case .token: "it refuses the token (invalid token value!): make one by `pveum user token add"
                case .tokenForm: "the cluster's token is not one line like USER@REALM!NAME=SECRET"
                case .node: "the cluster has no node 'pve7': it has pve1, pve2"
                case .memory: "how much memory the node 'pve2' has: give it Sys.Audit on /nodes/pve2"
                case .template: "the cluster has no template '9100' that the token may see: scripts/runner-image"
                case .agent: "the template '9000' has no guest agent"
                case .pool: "the cluster has no pool 'none' that the token may see: make it by `pvesh create"
                case .storage: "the node 'pve1' has no storage 'ceph' that the token may see: it has local-lvm"
                case .endpoint: "no connection can be made"
                case .certificate: "none.pem cannot be read"
                case .stranger: "its certificate does not hold"
                }
            }
        }

        /// What is wrong is said in words before anything is served.
        @Test(arguments: Wrong.allCases)
        private func whatIsWrongIsToldByCheck(wrong: Wrong) async throws {
            let cluster = try requireCluster()
            var fields = wrong.fields
            // Somebody who speaks TLS and is not Proxmox.
            if wrong == .stranger { fields["endpoint"] = .string(cluster.url(of: "c1")) }
            try await withConfig(fields) { proxmox, folder, config, token in
                wrong.befall(proxmox)
                if wrong == .tokenForm { try writeFile(token, "hunter2") }
                let answer = try await orchestrate(["--config", config, "--check"], in: folder)
                #expect(answer.termination == .exited(2))
                #expect(answer.outputText.contains(wrong.words), "\(answer.outputText)\(answer.errorText)")
                #expect(!(answer.outputText + answer.errorText).contains(StandInProxmox.token))
            }
        }
    }
}
