import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Machines that do not become runners, a cluster that lets nobody in, and one that does not do what it says.
extension Clustered.Members {
    @Suite(.needsNATSServer, .needsNickel) struct TroubleTests {
        enum Machine: String, CaseIterable, Sendable {
            case neverBoots, hasNoNetwork, failsInItsBootScript

            /// How a profile makes such a machine.
            func settings(in folder: URL) throws -> [[String]] {
                switch self {
                case .neverBoots: return [["set", "raw.lxc=lxc.init.cmd = /bin/sleep 100000"]]
                case .hasNoNetwork: return [["device", "add", "eth0", "nic", "nictype=p2p"]]
                case .failsInItsBootScript:
                    let file = folder.appending(path: "no-program").path
                    try writeFile(file, "", mode: 0o644)
                    return [["device", "add", "sshd", "disk", "source=\(file)", "path=/usr/sbin/sshd"]]
                }
            }

            var reason: String {
                switch self {
                case .neverBoots: "the machine is not ready within 10.0 seconds: it says nothing"
                case .hasNoNetwork: "the machine is not ready within 45.0 seconds: its network has given it no address"
                case .failsInItsBootScript:
                    "the machine is no runner: the image lacks openssh-server, and has no apt-get"
                }
            }

            var limit: Duration { self == .neverBoots ? .seconds(10) : .seconds(45) }
        }

        /// Row 48: in bounded time it fails, by its own words where it has any, and is removed.
        @Test(arguments: Machine.allCases)
        func aMachineThatBecomesNoRunner(machine: Machine) async throws {
            let cluster = try requireCluster()
            try await withTemporaryFolder { folder in
                let profile = "p-\(UUID().uuidString.lowercased().prefix(8))"
                try await cluster.lxc(["profile", "create", profile])
                for setting in try machine.settings(in: folder) {
                    let verb = setting[0] == "device" ? Array(setting.prefix(2)) : [setting[0]]
                    try await cluster.lxc(["profile"] + verb + [profile] + setting.dropFirst(verb.count))
                }
                var limits = LXDProvider.Limits()
                limits.boot = machine.limit
                try await withCluster(limits: limits, config: { _, _ in ["profiles": ["default", .string(profile)]] }) {
                    scene in
                    let id = scene.id()
                    let error = await #expect(throws: ProviderError.self) { try await scene.create(id) }
                    #expect(error?.description == machine.reason)
                    try await scene.destroy(id)
                    #expect(try await cluster.instances().isEmpty)
                }
                try await cluster.lxc(["profile", "delete", profile])
            }
        }

        /// Row 49: the cluster ceases to trust the certificate while a build runs. The build ends well, what has to go
        /// is told, and goes after SIGHUP with a certificate that is trusted.
        @Test func theCertificateIsRevoked() async throws {
            try await withBuildInAStep { ground, scene, build, gate in
                let orchestrator = ground.stage.orchestrator
                let fingerprint = try await runTool(
                    "/usr/bin/openssl", ["x509", "-in", ground.clientCertificate, "-noout", "-fingerprint", "-sha256"])
                let digits = try #require(fingerprint.trimmingLineEnd().split(separator: "=").last)
                try await ground.cluster.lxc(
                    ["config", "trust", "remove", digits.replacing(":", with: "").lowercased()])
                gate.open()
                let finished = try await build.finished(within: .seconds(300))
                #expect(finished.status == 0, "\(finished.story) \(orchestrator.log)")
                #expect(finished.warningCodes.contains("runner_not_destroyed"))
                #expect(try await orchestrator.runners().count <= 1)
                let caller = try await Caller(in: scene.folder)
                let spawned = try await orchestrator.spawn(caller.order(memoryMB: 512), key: UUID().uuidString)
                #expect(spawned.status == 503 && spawned.headers["retry-after"] != nil)
                #expect(spawned.json["error"]?["code"] == "provider_unreachable")
                #expect(spawned.json["error"]?["message", or: ""].contains("lxc config trust list") == true)
                #expect(try await ground.cluster.instances().count == 1)

                _ = try await networkConfig(ground.cluster, in: ground.folder)
                kill(try #require(orchestrator.pid), SIGHUP)
                #expect(await eventually { orchestrator.hasLogged("configured") })
            }
        }

        /// Row 50: the cluster says that it has stopped the machine, and lists it all the same.
        @Test func whatIsDestroyedIsStillListed() async throws {
            var limits = LXDProvider.Limits()
            limits.removal = .seconds(3)
            try await withDoor(limits: limits) { scene, door in
                let id = scene.id()
                _ = try await scene.create(id)
                door.rule { method, target in method == "PUT" && target.contains("/state") ? .pretend : .pass }
                let error = await #expect(throws: ProviderError.self) { try await scene.destroy(id) }
                #expect(error?.description == "it is still listed")
                #expect(try scene.provider.existing() == [id])
                door.rule { _, _ in .pass }
                try await scene.destroy(id)
                #expect(try scene.provider.existing().isEmpty)
            }
        }
    }
}
