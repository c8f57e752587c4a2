import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// The provider of Hetzner Cloud against a cloud that stands in for it.
extension Clustered.HCloud {
    @Suite struct CloudTests {
        /// From nothing to an image, over SSH to the key that was told, and back to nothing.
        @Test func aServerIsMadeBuildsAndGoes() async throws {
            try await withCloud(["labels": ["team": "build"]]) { scene in
                let id = scene.id()
                let runner = try await scene.create(id)
                let server = try #require(scene.servers(of: id).first)
                #expect(
                    server.labels == [
                        "team": "build", "lian-orchestrator": scene.orchestrator, "lian-runner": id,
                        "lian-workspace": "acme",
                    ])
                #expect(runner.host == server.address && runner.port == 22)
                #expect(try scene.provider.isAlive(id))
                #expect(try scene.provider.existing() == [id])
                try await scene.caller.prepare(runner, "RUN echo hello from the cloud")
                let built = try await scene.caller.build(runner, "--output type=image,name=app:1")
                #expect(built.termination == .exited(0), "\(built.errorText)")
                // What carried the host's key is closed to build steps.
                let metadata = try await scene.caller.ssh(
                    runner, "ls /etc/user-data; ip route get 169.254.169.254")
                #expect(metadata.outputText.isEmpty && !metadata.termination.isSuccess)
                try await scene.destroy(id)
                #expect(try scene.provider.existing().isEmpty)
                // A destroy may be repeated.
                try await scene.destroy(id)
            }
        }

        /// One that the cloud turned off, and one that is silent though the cloud calls it running.
        @Test func aServerThatEndsIsNoticed() async throws {
            try await withCloud { scene in
                let off = scene.id()
                let silent = scene.id()
                for id in [off, silent] { _ = try await scene.create(id) }
                scene.cloud.turnOff(try #require(scene.servers(of: off).first).id)
                let container = try #require(scene.servers(of: silent).first?.container)
                try await requireCluster().lxc(["delete", "--force", container])
                let words = [off: "is off", silent: "is on, and its sshd does not answer any more"]
                for (id, end) in words {
                    #expect(await eventually { (try? scene.provider.isAlive(id)) == false })
                    #expect(scene.provider.causeOfDeath(id) == "its machine lian-\(id) \(end)")
                    try await scene.destroy(id)
                }
            }
        }

        // MARK: - Answers that are lost

        /// Row 43: one machine, whichever way the create was lost.
        @Test(arguments: [false, true])
        func aLostCreateMakesOneServer(isHeard: Bool) async throws {
            try await withCloud { scene in
                let count = Count()
                scene.cloud.rule { method, path in
                    guard method == "POST", path == "/servers", count.next() == 1 else { return .pass }
                    return isHeard ? .loseAnswer : .loseRequest
                }
                let id = scene.id()
                _ = try await scene.create(id)
                #expect(scene.servers(of: id).map(\.name) == ["lian-\(id)"])
                try await scene.destroy(id)
            }
        }

        /// A create that was never answered may make a machine after all: so long no removal counts as done.
        @Test func aCreateThatComesLateIsWaitedFor() async throws {
            var limits = CloudLimits()
            limits.create = .seconds(1)
            limits.lateCreate = .seconds(600)
            try await withCloud(limits: limits) { scene in
                scene.cloud.rule { method, path in method == "POST" && path == "/servers" ? .loseRequest : .pass }
                let id = scene.id()
                let problem = try await scene.problem(making: id)
                #expect(problem.contains("the connection was lost"))
                await #expect(throws: ProviderError.self) { try await scene.destroy(id) }
                scene.cloud.plant(
                    "lian-\(id)",
                    [HCloudMachine.Label.orchestrator: scene.orchestrator, HCloudMachine.Label.runner: id])
                // It came. What was asked for is there, and goes; the rest of the time is still waited for.
                await #expect(throws: ProviderError.self) { try await scene.destroy(id) }
                #expect(scene.cloud.servers.isEmpty)
            }
        }

        // MARK: - Others

        /// Rows 45 and 46: names like ours, and one mark of two, are nobody's reason to touch it; what is ours of an
        /// earlier life is replaced.
        @Test func strangersStayAndOurOwnIsReplaced() async throws {
            var limits = CloudLimits()
            limits.boot = .milliseconds(1)
            try await withCloud(limits: limits) { scene in
                scene.cloud.fate { _ in .neverBoots }
                let id = scene.id()
                let own = HCloudMachine.Label.orchestrator
                let runner = HCloudMachine.Label.runner
                scene.cloud.plant("lian-\(id)", [:])
                scene.cloud.plant("lian-\(id)-a", [own: scene.orchestrator])
                scene.cloud.plant("lian-\(id)-b", [runner: id])
                scene.cloud.plant("lian-\(id)-c", [own: "o-another", runner: id])
                let strangers = scene.cloud.servers.map(\.id)
                #expect(try scene.provider.existing().isEmpty)
                scene.cloud.plant("lian-before", [own: scene.orchestrator, runner: id])
                #expect(try scene.provider.existing() == [id])
                #expect(try await scene.problem(making: id).contains("is not ready within"))
                #expect(
                    scene.cloud.servers.map(\.name).sorted()
                        == ["lian-\(id)", "lian-\(id)-2", "lian-\(id)-a", "lian-\(id)-b", "lian-\(id)-c"])
                try await scene.destroy(id)
                #expect(scene.cloud.servers.map(\.id) == strangers)
                for stranger in strangers { scene.cloud.remove(stranger) }
            }
        }

        /// A list comes in pages.
        @Test func allPagesAreRead() async throws {
            try await withCloud { scene in
                let ids = (0..<120).map { "r-\($0)" }
                for id in ids {
                    scene.cloud.plant(
                        id, [HCloudMachine.Label.orchestrator: scene.orchestrator, HCloudMachine.Label.runner: id])
                }
                let found = try scene.provider.existing()
                #expect(found == ids.sorted())
                for server in scene.cloud.servers { scene.cloud.remove(server.id) }
            }
        }

        // MARK: - Row 47: not now, not here

        /// Nothing is asked before the time that the cloud named.
        @Test func aLimitIsWaitedFor() async throws {
            var limits = CloudLimits()
            limits.boot = .milliseconds(1)
            try await withCloud(limits: limits) { scene in
                scene.cloud.fate { _ in .neverBoots }
                let reset = Guarded<Date?>(nil)
                scene.cloud.rule { method, _ in
                    if reset.value == nil, method == "POST" { reset.set(Date.now.addingTimeInterval(3)) }
                    guard let until = reset.value, until > .now else { return .pass }
                    return .limit(until: until)
                }
                let id = scene.id()
                let before = scene.cloud.asked.count
                #expect(try await scene.problem(making: id).contains("is not ready within"))
                let creates = scene.cloud.asked.dropFirst(before).filter { $0.place == "POST /servers" }
                try #require(creates.count == 2)
                #expect(creates[1].time - creates[0].time >= .seconds(3))
                let between = scene.cloud.asked.filter { $0.time > creates[0].time && $0.time < creates[1].time }
                #expect(between.isEmpty)
                try await scene.destroy(id)
            }
        }

        /// 503 passes; where there is none, the next location is tried, and then the next type.
        @Test func whatIsNotThereIsLookedForElsewhere() async throws {
            try await withCloud { scene in
                let count = Count()
                scene.cloud.rule { method, _ in
                    guard method == "POST" else { return .pass }
                    switch count.next() {
                    case 1: return .refuse(503, "unavailable", "a moment")
                    case 2: return .refuse(412, "resource_unavailable", "none of it in this location")
                    default: return .pass
                    }
                }
                // The second place takes it, and cannot start it.
                scene.cloud.fate { number in number == 1 ? .startFails("placement_error") : .boots }
                let id = scene.id()
                _ = try await scene.create(id)
                let servers = scene.servers(of: id)
                #expect(servers.map(\.type) == ["cpx22"] && servers.map(\.location) == ["nbg1"])
                try await scene.destroy(id)
            }
        }

        @Test func noRoomAnywhereIsTold() async throws {
            try await withCloud { scene in
                scene.cloud.rule { method, _ in
                    method == "POST" ? .refuse(403, "resource_limit_exceeded", "server limit exceeded") : .pass
                }
                let id = scene.id()
                let problem = try await scene.problem(making: id)
                let words = "server limit exceeded (resource_limit_exceeded)"
                #expect(
                    problem == "no_capacity: cx23 in fsn1: \(words); cx23 in nbg1: \(words); cpx22 in nbg1: \(words); "
                        + "cpx22 in hel1: \(words)")
                try await scene.destroy(id)
            }
        }

        /// What can never be served here is told before anything is asked.
        @Test func tiersAndRegionsAreTold() async throws {
            try await withCloud { scene in
                var request = try scene.order("r-1").request
                #expect(scene.provider.refusal(of: request) == nil)
                request.region = "hel1"
                #expect(scene.provider.offer.places(for: request).map(\.description) == ["cpx22 in hel1"])
                request.region = "ash"
                #expect(
                    scene.provider.refusal(of: request) == "region 'ash' is not served here: there are fsn1, nbg1, hel1"
                )
                // A tier that the table does not know is served by size.
                request = try scene.order("r-1", tier: "t9").request
                #expect(scene.provider.offer.places(for: request).first?.type == "cpx22")
                request.size.memoryMB = 64 << 10
                #expect(scene.provider.refusal(of: request)?.contains("'types' of the provider 'hcloud'") == true)
                request = try scene.order("r-1").request
                request.platform = "linux/arm64"
                #expect(scene.provider.refusal(of: request)?.contains("linux/amd64") == true)
            }
        }

        // MARK: - Row 48: machines that do not become runners

        @Test func aServerThatNeverBootsIsGivenUp() async throws {
            var limits = CloudLimits()
            limits.boot = .seconds(2)
            try await withCloud(limits: limits) { scene in
                scene.cloud.fate { _ in .neverBoots }
                let id = scene.id()
                #expect(
                    try await scene.problem(making: id)
                        == "the machine is not ready within \(limits.boot): its sshd is silent")
                try await scene.destroy(id)
            }
        }

        /// Of the inside of a server the cloud tells nothing: its sshd does.
        @Test func aBootScriptThatFailsSaysWhy() async throws {
            try await withCloud { scene in
                scene.cloud.fate { _ in .lacksRunc }
                let id = scene.id()
                #expect(try await scene.problem(making: id) == "the machine is no runner: the image has no runc")
                try await scene.destroy(id)
            }
        }

        // MARK: - Row 50: it says well, and does nothing

        @Test func aServerThatStaysIsDestroyedAgain() async throws {
            var limits = CloudLimits()
            limits.removal = .seconds(3)
            limits.boot = .milliseconds(1)
            try await withCloud(limits: limits) { scene in
                scene.cloud.fate { _ in .neverBoots }
                let id = scene.id()
                _ = try await scene.problem(making: id)
                scene.cloud.keepWhatIsDeleted(true)
                await #expect(throws: ProviderError.self) { try await scene.destroy(id) }
                #expect(scene.cloud.asked.filter { $0.place.hasPrefix("DELETE /servers/") }.count > 1)
                #expect(try scene.provider.existing() == [id])
                scene.cloud.keepWhatIsDeleted(false)
                try await scene.destroy(id)
            }
        }
    }
}
