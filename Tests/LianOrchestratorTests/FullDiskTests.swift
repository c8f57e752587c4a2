import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The disk under the state folder is full: what cannot be written down is done all the same.
@Suite(.needsRoot) struct FullDiskTests {
    /// Too small for the store's reserve, so that nothing at all can be written once it is full.
    private static let tooSmallForAReserve = 2048

    @Test("row 73: a full disk: who is heard of lives on, who is not goes, and a stop leaves nothing")
    func nothingCanBeWritten() async throws {
        try await withIdleRunners(diskKilobytes: Self.tooSmallForAReserve) { orchestrator, caller in
            // Renewed again and again meanwhile; on a busy machine each time may take seconds.
            let lease = 40
            let destroyed = try await orchestrator.readyRunner(caller.order(build: "b-1"))
            let unheard = try await orchestrator.readyRunner(caller.order(build: "b-2", lease: lease))
            let heard = try await orchestrator.readyRunner(caller.order(build: "b-3", lease: lease))
            let start = ContinuousClock.now
            var beats: Set<Int> = []
            let isGone = try await eventually {
                // A runner that goes leaves room behind.
                fill(orchestrator.state)
                beats.insert(try await orchestrator.heartbeat(heard.id))
                let isOver = ContinuousClock.now - start > .seconds(lease)
                return try await orchestrator.state(of: unheard.id) == nil && isOver
            }
            #expect(isGone && beats == [200], "\(beats) \(orchestrator.log)")
            #expect(orchestrator.hasLogged("store_behind"))
            #expect(try await caller.ssh(heard, "echo here").outputText == "here\n")

            fill(orchestrator.state)
            #expect(try await orchestrator.destroy(destroyed.id).status == 200)
            #expect(try await orchestrator.runners() == [heard.id])
            fill(orchestrator.state)
            #expect(await orchestrator.stop() == .exited(0))
            #expect(try await orchestrator.remainsInTheEnd().isEmpty)
            try FileManager.default.removeItem(atPath: "\(orchestrator.state)/all")
        }
    }

    @Test("row 73: a full disk: a spawn is told so, and begins nothing", arguments: [2048, 12_288])
    func aSpawnIsRefused(diskKilobytes: Int) async throws {
        try await withIdleRunners(diskKilobytes: diskKilobytes) { orchestrator, caller in
            let heard = try await orchestrator.readyRunner(caller.order(build: "b-1"))
            fill(orchestrator.state)
            let refused = try await orchestrator.spawn(caller.order(build: "b-2"), key: "key-number-2")
            #expect(refused.status == 503 && refused.json["error"]?["code"] == "no_room", "\(refused.json)")
            #expect(refused.headers["retry-after"] == "10")
            #expect(try await orchestrator.heartbeat(heard.id) == 200)
            #expect(try await orchestrator.runners() == [heard.id])
            let metrics = try await orchestrator.request("GET", "/metrics")
            let refusals = String(decoding: metrics.body, as: UTF8.self).split(separator: "\n")
                .filter { $0.hasPrefix("lian_spawn_refusals_total") && $0.contains("disk_full") }
            #expect(refusals.count == 1 && refusals.allSatisfy { $0.hasSuffix(" 1") })
            try FileManager.default.removeItem(atPath: "\(orchestrator.state)/all")
            let next = try await orchestrator.readyRunner(caller.order(build: "b-2"))
            for runner in [heard, next] { #expect(try await orchestrator.destroy(runner.id).status == 200) }
        }
    }

    @Test("row 73: a full disk: a sweep and a start remove the dead and keep the living")
    func sweptAndStarted() async throws {
        try await withIdleRunners(diskKilobytes: Self.tooSmallForAReserve) { orchestrator, caller in
            let living = try await orchestrator.readyRunner(caller.order(build: "b-1"))
            let dead = [
                try await orchestrator.readyRunner(caller.order(build: "b-2")),
                try await orchestrator.readyRunner(caller.order(build: "b-3")),
            ]
            for (number, runner) in dead.enumerated() {
                orchestrator.kill()
                try await orchestrator.killProcess("sshd", of: runner.id)
                fill(orchestrator.state)
                if number == 0 {
                    let swept = try await orchestrator.sweep()
                    #expect(swept.termination == .exited(0), "\(swept.errorText)")
                    fill(orchestrator.state)
                }
                try await orchestrator.start()
                #expect(!FileManager.default.fileExists(atPath: parentFolder(runner.workDir)))
            }
            #expect(try await orchestrator.state(of: living.id) == .ready)
            #expect(try await caller.ssh(living, "echo here").outputText == "here\n")
            fill(orchestrator.state)
            #expect(try await orchestrator.destroy(living.id).status == 200)
            #expect(try await orchestrator.remainsInTheEnd().isEmpty)
        }
    }

    @Test("row 73: a full disk: the store's reserve takes heartbeats, which outlive kill -9")
    func theReserveIsUsed() async throws {
        try await withIdleRunners(diskKilobytes: 12_288) { orchestrator, caller in
            // Renewed again and again meanwhile; on a busy machine each time may take seconds.
            let lease = 40
            let runner = try await orchestrator.readyRunner(caller.order(lease: lease))
            let start = ContinuousClock.now
            fill(orchestrator.state)
            var beats: Set<Int> = []
            _ = try await eventually {
                beats.insert(try await orchestrator.heartbeat(runner.id))
                return ContinuousClock.now - start > .seconds(lease)
            }
            #expect(beats == [200])
            orchestrator.kill()
            try await orchestrator.start()
            #expect(try await orchestrator.state(of: runner.id) == .ready)
            #expect(!orchestrator.hasLogged("store_behind"))
        }
    }
}
