import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Runners as virtual machines, as far as members go that cannot run any.
extension Clustered.Runners {
    @Suite struct VirtualMachineTests {
        @Test func membersThatRunNoneAreTold() async throws {
            let cluster = try requireCluster()
            try await withTemporaryFolder { folder in
                let file = try writeConfig(
                    [
                        "kind": "lxd", "socket": .string(cluster.socket(of: "c1")), "image": .string(Cluster.image),
                        "vm": true,
                    ], in: folder)
                let checked = try await orchestrate(["--config", file, "--check"], in: folder, within: .seconds(120))
                #expect(checked.termination == .exited(2))
                #expect(
                    checked.outputText.contains(
                        "the members c1, c2, c3 run no virtual machines (environment.driver): install qemu there"),
                    "\(checked.outputText)\(checked.errorText)")
            }
        }

        /// What the cluster is asked for where its members say that they can: its real answer is that they cannot.
        @Test func theRequestIsForAVirtualMachine() async throws {
            let cluster = try requireCluster()
            try await withShortTemporaryFolder { folder in
                let image = try await Self.importImage(cluster, in: folder)
                try await cluster.lxc(["profile", "create", "vm-nic"])
                try await cluster.lxc(["profile", "device", "add", "vm-nic", "eth0", "nic", "nictype=p2p"])
                let door = try Door(at: folder.appending(path: "door").path, before: cluster.socket(of: "c1"))
                defer { door.stop() }
                // Of the same length, since the answer tells its own.
                door.replace(#""driver":"lxc","driver_version""#, by: #""driver":"qemu","driver_versio""#)
                func provider(_ fields: [String: JSONValue]) async throws -> LXDProvider {
                    let own: [String: JSONValue] = [
                        "socket": .string(door.path), "vm": true, "image": .string(image),
                    ]
                    let config = try clusterConfig(own.merging(fields) { $1 })
                    return try await onOwnThread {
                        Result { () throws(ProviderError) in
                            try LXDProvider(name: "lxd", config, key: [], orchestrator: "o-vm")
                        }
                    }.get()
                }
                for (fields, words): ([String: JSONValue], String) in [
                    ([:], "give one of 'profiles' a nic"),
                    (["image": .string(Cluster.image), "profiles": ["vm-nic"]], "is of containers"),
                    (["vm": false], "is of virtual machines"),
                ] {
                    let problem = await #expect(throws: ProviderError.self) { _ = try await provider(fields) }
                    #expect(problem?.description.contains(words) == true, "\(problem?.description ?? "")")
                }
                let made = try await provider(["profiles": ["default", "vm-nic"]])
                let caller = try await Caller(in: folder)
                let order = RunnerOrder(
                    runnerID: "r-vm", request: caller.order(memoryMB: 512),
                    key: try #require(SSHPublicKey(line: caller.publicKey)))
                let problem = await #expect(throws: ProviderError.self) { _ = try await make(order, by: made) }
                let words = problem?.description ?? ""
                #expect(words.hasPrefix("the cluster cannot make lian-r-vm"), "\(words)")
                let request = try #require(door.seen.value.first { $0.line.hasPrefix("POST /1.0/instances?") })
                let body = try JSONValue.parse(request.body)
                #expect(body["type"] == "virtual-machine")
                let keys = Set((body["config"]?.objectValue ?? [:]).keys)
                #expect(keys.isSuperset(of: ["limits.cpu", "limits.memory", "cloud-init.user-data", "boot.autostart"]))
                #expect(
                    keys.isDisjoint(with: [
                        "security.nesting", "limits.memory.swap", "limits.processes", "limits.cpu.allowance",
                    ]))
                #expect(body["devices"] == [:])
                try await cluster.removeProfile("vm-nic")
                try await cluster.lxc(["image", "delete", image])
            }
        }

        /// One that LXD takes for a virtual machine's, by the first bytes of its disk. Nothing in it runs.
        private static func importImage(_ cluster: Cluster, in folder: URL) async throws -> String {
            let metadata = folder.appending(path: "metadata.yaml").path
            try writeFile(metadata, "architecture: x86_64\ncreation_date: 1700000000\n")
            let archive = folder.appending(path: "metadata.tar").path
            _ = try await runTool("/usr/bin/tar", ["-C", folder.path, "-cf", archive, "metadata.yaml"])
            let disk = folder.appending(path: "disk.qcow2").path
            try Data([0x51, 0x46, 0x49, 0xFB] + [UInt8](repeating: 0, count: 4092)).write(to: URL(filePath: disk))
            try await cluster.lxc(["image", "import", archive, disk, "--alias", "vm-image"])
            return "vm-image"
        }
    }
}
