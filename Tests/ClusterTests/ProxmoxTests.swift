import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The provider of Proxmox VE against what stands in for a cluster of it.
extension Clustered.Proxmox {
    @Suite struct ProxmoxTests {
        private static var withoutBoot: CloudLimits {
            var limits = CloudLimits()
            limits.boot = .milliseconds(1)
            return limits
        }

        private static func isClone(_ method: String, _ path: String) -> Bool {
            method == "POST" && path.hasSuffix("/clone")
        }

        /// From nothing to an image, over SSH to the key that was told, and back to nothing.
        @Test func aMachineIsMadeBuildsAndGoes() async throws {
            try await withProxmox(["bridge": "vmbr7"]) { scene in
                let id = scene.id()
                let runner = try await scene.create(id)
                let machine = try #require(scene.proxmox.machines.first)
                #expect(machine.tags == scene.marks(id).joined(separator: ";"))
                #expect(machine.pool == StandInProxmox.pool && machine.vmid == 9001 && machine.name == "lian-\(id)")
                #expect(machine.cores == 2 && machine.memoryMB == 2048 && machine.net == "virtio,bridge=vmbr7")
                #expect(runner.host == machine.address && runner.port == 22)
                #expect(try scene.provider.isAlive(id))
                #expect(try scene.provider.existing() == [id])
                try await scene.caller.prepare(runner, "RUN echo hello from the cluster")
                let built = try await scene.caller.build(runner, "--output type=image,name=app:1")
                #expect(built.termination == .exited(0), "\(built.errorText)")
                // What carried the host's key is gone.
                let script = try await scene.caller.ssh(runner, "ls /run/lian-boot/script")
                #expect(script.outputText.isEmpty && !script.termination.isSuccess)
                try await scene.destroy(id)
                #expect(try scene.provider.existing().isEmpty)
                // A destroy may be repeated.
                try await scene.destroy(id)
            }
        }

        /// One that was turned off, and one that is silent though the cluster calls it running. What the list says late
        /// ends no runner.
        @Test func aMachineThatEndsIsNoticed() async throws {
            try await withProxmox { scene in
                let off = scene.id()
                let silent = scene.id()
                for id in [off, silent] { _ = try await scene.create(id) }
                scene.proxmox.change { $0.listsLate = true }
                #expect(try scene.provider.seen().map(\.hasEnded) == [false, false])
                scene.proxmox.rule { _, path in
                    path.hasSuffix("/status/current") ? .refuse(595, "No route to host") : .pass
                }
                #expect(try scene.provider.seen().map(\.hasEnded) == [false, false])
                scene.proxmox.rule { _, _ in .pass }
                scene.proxmox.change { $0.listsLate = false }
                func machine(_ id: String) throws -> StandInProxmox.Machine {
                    try #require(scene.proxmox.machines.first { $0.name == "lian-\(id)" })
                }
                scene.proxmox.turnOff(try machine(off).vmid)
                try await requireCluster().lxc(["delete", "--force", try #require(try machine(silent).container)])
                let words = [off: "is off", silent: "is on, and its sshd does not answer any more"]
                for (id, end) in words {
                    let name = "VM \(try machine(id).vmid) on \(try machine(id).node)"
                    #expect(await eventually { (try? scene.provider.isAlive(id)) == false })
                    #expect(scene.provider.causeOfDeath(id) == "its machine \(name) \(end)")
                    try await scene.destroy(id)
                }
            }
        }

        // MARK: - Answers that are lost

        /// Row 43: one machine, whichever way the clone was lost.
        @Test(arguments: [false, true])
        func aLostCloneMakesOneMachine(isHeard: Bool) async throws {
            try await withProxmox(limits: Self.withoutBoot) { scene in
                scene.proxmox.fate { _ in .neverBoots }
                let count = Count()
                scene.proxmox.rule { method, path in
                    guard Self.isClone(method, path), count.next() == 1 else { return .pass }
                    return isHeard ? .loseAnswer : .loseRequest
                }
                let id = scene.id()
                #expect(try await scene.problem(making: id).contains("is not ready within"))
                #expect(scene.proxmox.machines.map(\.name) == ["lian-\(id)"])
                #expect(scene.proxmox.machines.first?.status == "running")
                try await scene.destroy(id)
            }
        }

        /// A clone whose answer was lost goes on where nobody sees its machine: it is not asked for again meanwhile.
        @Test func aCloneThatGoesOnIsWaitedFor() async throws {
            try await withProxmox(limits: Self.withoutBoot) { scene in
                scene.proxmox.fate { _ in .neverBoots }
                scene.proxmox.change { $0.holdsClones = true }
                let count = Count()
                scene.proxmox.rule { method, path in
                    if Self.isClone(method, path) { return count.next() == 1 ? .loseAnswer : .pass }
                    // It has looked for what it asked for, and for what goes on.
                    if path.hasSuffix("/tasks") { scene.proxmox.change { $0.holdsClones = false } }
                    return .pass
                }
                let id = scene.id()
                #expect(try await scene.problem(making: id).contains("is not ready within"))
                #expect(scene.proxmox.asked.filter { $0.hasSuffix("/clone") }.count == 1)
                #expect(scene.proxmox.machines.map(\.vmid) == [9001])
                try await scene.destroy(id)
            }
        }

        /// Row 44: of what an earlier life was having cloned nobody knows whose it is before it is done.
        @Test func whatAnEarlierLifeClonesIsWaitedFor() async throws {
            var limits = CloudLimits()
            limits.create = .seconds(1)
            try await withProxmox(limits: limits) { scene in
                scene.proxmox.change { $0.holdsClones = true }
                let id = scene.id()
                #expect(try await scene.problem(making: id).contains("the task qmclone goes on"))
                let later = try await scene.reborn()
                #expect(try later.existing().isEmpty)
                await #expect(throws: ProviderError.self) {
                    _ = try await onOwnThread { Result { () throws(ProviderError) in try later.destroy(id) } }.get()
                }
                // Nor does this one call it gone.
                await #expect(throws: ProviderError.self) { try await scene.destroy(id) }
                scene.proxmox.change { $0.holdsClones = false }
                #expect(await eventually { (try? later.existing()) == [id] })
                _ = try await onOwnThread { Result { () throws(ProviderError) in try later.destroy(id) } }.get()
                #expect(scene.proxmox.machines.isEmpty)
            }
        }

        // MARK: - Others

        /// Rows 45 and 46: pool, VMID and marks together, or nobody's. What is ours of an earlier life is replaced, also
        /// where it had no tags yet.
        @Test func strangersStayAndOurOwnIsReplaced() async throws {
            try await withProxmox(limits: Self.withoutBoot) { scene in
                let proxmox = scene.proxmox
                proxmox.fate { _ in .neverBoots }
                let id = scene.id()
                let both = scene.marks(id).joined(separator: ";")
                let words = scene.marks(id).joined(separator: " ")
                proxmox.plant(vmid: 9001, "lian-\(id)")
                proxmox.plant(vmid: 9002, "lian-\(id)", tags: scene.marks(id)[0], description: words)
                proxmox.plant(vmid: 9003, "lian-\(id)", tags: scene.marks(id, of: "o-another").joined(separator: ";"))
                proxmox.plant(vmid: 9004, "lian-\(id)", pool: "another", tags: both, description: words)
                proxmox.plant(vmid: 9005, "lian-\(id)", pool: nil, tags: both, description: words)
                proxmox.plant(vmid: 8999, "lian-\(id)", tags: both, description: words)
                proxmox.plant(vmid: 9006, "hidden", tags: both)
                proxmox.change { $0.machines[9006]?.isListed = false }
                let strangers = proxmox.machines.map(\.vmid)
                #expect(try scene.provider.existing().isEmpty)
                proxmox.plant(vmid: 9007, "renamed", tags: both)
                proxmox.plant(vmid: 9008, "half-made", pool: nil, description: words)
                #expect(try scene.provider.existing() == [id])
                #expect(try await scene.problem(making: id).contains("is not ready within"))
                // 9006 cannot be seen, and was found to be taken.
                #expect(proxmox.machines.map(\.vmid) == (strangers + [9007]).sorted())
                #expect(proxmox.machines.first { $0.vmid == 9007 }?.name == "lian-\(id)")
                try await scene.destroy(id)
                #expect(proxmox.machines.map(\.vmid) == strangers)
                for stranger in strangers { proxmox.remove(stranger) }
            }
        }

        // MARK: - Row 47: not now, not here

        /// A node without memory, one whose storage is full: the next one. A lock passes.
        @Test func whatIsNotThereIsLookedForElsewhere() async throws {
            try await withProxmox(limits: Self.withoutBoot) { scene in
                let count = Count()
                scene.proxmox.rule { method, path in
                    guard Self.isClone(method, path) else { return .pass }
                    return count.next() == 1
                        ? .refuse(500, "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout") : .pass
                }
                scene.proxmox.fate { number in
                    number == 1 ? .cloneFails("clone failed: lvcreate error: no space left in thin pool") : .neverBoots
                }
                let id = scene.id()
                #expect(try await scene.problem(making: id).contains("is not ready within"))
                #expect(scene.proxmox.machines.map(\.node) == ["pve2"])
                let second = scene.id()
                scene.proxmox.change { $0.nodes[0].memoryMB = 3 << 10 }
                #expect(try await scene.problem(making: second, memoryMB: 4096).contains("is not ready within"))
                #expect(scene.proxmox.machines.map(\.node) == ["pve2", "pve2"])
                for runner in [id, second] { try await scene.destroy(runner) }
            }
        }

        @Test func aMachineThatCannotBeStartedForWantOfMemoryGoes() async throws {
            try await withProxmox(limits: Self.withoutBoot) { scene in
                scene.proxmox.fate { number in
                    number == 1
                        ? .startFails("start failed: kvm: cannot set up guest memory: Cannot allocate memory")
                        : .neverBoots
                }
                let id = scene.id()
                #expect(try await scene.problem(making: id).contains("is not ready within"))
                #expect(scene.proxmox.machines.map(\.node) == ["pve2"])
                try await scene.destroy(id)
            }
        }

        @Test func noRoomAnywhereIsTold() async throws {
            try await withProxmox { scene in
                scene.proxmox.fate { _ in .cloneFails("clone failed: not enough space on storage local-lvm") }
                let id = scene.id()
                let words = "clone failed: not enough space on storage local-lvm"
                #expect(try await scene.problem(making: id) == "no_capacity: pve1: \(words); pve2: \(words)")
                try await scene.destroy(id)
                // What the cluster has no room for it is told before it is asked.
                scene.proxmox.change { $0.nodes[0].isOnline = false }
                var request = try scene.order(id, memoryMB: 15 << 10).request
                #expect(scene.provider.obstacle(to: request) == nil)
                scene.proxmox.plant(vmid: 9001, "theirs")
                scene.proxmox.change { state in
                    state.machines[9001]?.status = "running"
                    for index in state.nodes.indices { state.nodes[index].memoryMB = 4 << 10 }
                    state.nodes[0].isOnline = true
                }
                request.size.memoryMB = 4000
                #expect(
                    scene.provider.obstacle(to: request)
                        == .noRoom(
                            "pve1: 4000 MB of memory are more than the 2048 MB that are left; "
                                + "pve2: 4000 MB of memory are more than the 3072 MB that are left"))
                for vmid in 9002...9010 { scene.proxmox.plant(vmid: vmid, "theirs") }
                request.size.memoryMB = 512
                #expect(scene.provider.obstacle(to: request) == .noRoom("no VMID from 9001 to 9010 is free"))
                for machine in scene.proxmox.machines { scene.proxmox.remove(machine.vmid) }
            }
        }

        /// What no node has ever room for, and what is not of here, is told before anything is asked.
        @Test func sizesAndRegionsAreTold() async throws {
            try await withProxmox { scene in
                var request = try scene.order("r-1").request
                #expect(scene.provider.refusal(of: request) == nil)
                request.region = "pve2"
                #expect(scene.provider.places(for: request) == ["pve2"])
                request.region = "pve9"
                #expect(
                    scene.provider.refusal(of: request) == "region 'pve9' is not served here: there are pve1, pve2")
                request = try scene.order("r-1", memoryMB: 17 << 10).request
                #expect(
                    scene.provider.refusal(of: request) == "17408 MB of memory are more than any node has: 16384 MB")
                request = try scene.order("r-1").request
                request.platform = "linux/arm64"
                #expect(scene.provider.refusal(of: request)?.contains("linux/amd64") == true)
            }
        }

        // MARK: - Row 48: machines that do not become runners

        @Test func aMachineThatNeverBootsIsGivenUp() async throws {
            var limits = CloudLimits()
            limits.boot = .seconds(2)
            try await withProxmox(limits: limits) { scene in
                scene.proxmox.fate { _ in .neverBoots }
                let id = scene.id()
                #expect(
                    try await scene.problem(making: id)
                        == "the machine is not ready within \(limits.boot): it has no address")
                try await scene.destroy(id)
            }
        }

        @Test func aBootScriptThatFailsSaysWhy() async throws {
            try await withProxmox { scene in
                scene.proxmox.fate { _ in .lacksRunc }
                let id = scene.id()
                #expect(try await scene.problem(making: id) == "the machine is no runner: the image has no runc")
                try await scene.destroy(id)
            }
        }

        /// What the token may not do is told at once.
        @Test func aRightThatIsMissingIsTold() async throws {
            try await withProxmox { scene in
                scene.proxmox.rule { method, path in
                    Self.isClone(method, path)
                        ? .refuse(403, "Permission check failed (/vms/9000, VM.Clone)") : .pass
                }
                let id = scene.id()
                #expect(
                    try await scene.problem(making: id).contains(
                        "the token may not do that (Permission check failed (/vms/9000, VM.Clone))"))
                try await scene.destroy(id)
            }
        }

        // MARK: - Row 50: it says well, and does nothing

        @Test func aMachineThatStaysIsDestroyedAgain() async throws {
            var limits = Self.withoutBoot
            limits.removal = .seconds(3)
            try await withProxmox(limits: limits) { scene in
                scene.proxmox.fate { _ in .neverBoots }
                let id = scene.id()
                _ = try await scene.problem(making: id)
                scene.proxmox.change { $0.keepsWhatIsDeleted = true }
                await #expect(throws: ProviderError.self) { try await scene.destroy(id) }
                #expect(scene.proxmox.asked.filter { $0.hasPrefix("DELETE ") }.count > 1)
                #expect(try scene.provider.existing() == [id])
                scene.proxmox.change { $0.keepsWhatIsDeleted = false }
                try await scene.destroy(id)
            }
        }
    }
}
