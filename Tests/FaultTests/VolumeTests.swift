import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// What becomes of volumes under real builds. `LianVolumeTests` has the same rows for the books and the storages.
    @Suite struct VolumeTests {
        @Test("row 51: the volume's files are gone: the build is cold, and built", .realEngine) func filesGone()
            async throws
        {
            try await withRealScene { scene, front in
                let first = try await scene.start(front, step: "echo one").finished()
                #expect(first.status == 0 && first["volume"]["kept"] == true, "\(first.story)")
                let kept = "\(scene.orchestrator.state)/volumes/kept"
                for name in try FileManager.default.contentsOfDirectory(atPath: kept) {
                    try await runTool(
                        "/bin/sh", ["-c", "btrfs -q subvolume delete \"$0\" || rm -r \"$0\"", "\(kept)/\(name)"])
                }
                let second = try await scene.start(front, step: "echo two").finished()
                #expect(second.status == 0, "\(second.story)")
                #expect(
                    second["volume"]["state"] == "cold" && second["volume"]["reason"] == "damaged", "\(second.story)")
                #expect(second.warningCodes == ["volume_cold"] && second["volume"]["kept"] == true, "\(second.story)")
                #expect(scene.orchestrator.hasLogged("volume_lost"))
                let third = try await scene.start(front, step: "echo two").finished()
                #expect(third["volume"]["state"] == "warm" && third.cachedSteps == 2, "\(third.story)")
            }
        }

        @Test("row 52: of two builds from one generation the slower is done last: it is the head", .realEngine)
        func slowerLast() async throws {
            try await withRealScene { scene, front in
                #expect(try await scene.start(front, step: "echo one").finished()["volume"]["generation"] == .null)
                let gate = try StepGate()
                defer { gate.open() }
                let slow = try scene.start(front, step: "echo begun; \(gate.waiting)")
                try await slow.says(" begun\n")
                let fast = try await scene.start(front, step: "echo fast").finished()
                #expect(fast["volume"]["generation"] == 1 && fast["volume"]["kept"] == true, "\(fast.story)")
                gate.open()
                let last = try await slow.finished()
                #expect(last["volume"]["generation"] == 1 && last["volume"]["kept"] == true, "\(last.story)")
                let listed = try await scene.orchestrator.request("GET", "/api/v1/volumes").json["data"]
                #expect(listed?[0]?["generation"] == 3)
            }
        }

        @Test(
            "row 52: of two builds from one generation the faster is done last: the slower stays the head", .realEngine)
        func fasterLast() async throws {
            try await withRealScene { scene, front in
                let first = try await scene.start(front, step: "echo one").finished()
                #expect(first["volume"]["kept"] == true, "\(first.story)")
                // It has nothing to execute, and gets no turn before the other one is done.
                front.setLease(600, of: scene.workspace)
                let fast = try scene.start(front, step: "echo one")
                try await fast.says("volume: warm")
                fast.signal(SIGSTOP)
                let slow = try await scene.start(front, step: "echo two").finished()
                fast.signal(SIGCONT)
                #expect(slow["volume"]["kept"] == true, "\(slow.story)")
                let last = try await fast.finished()
                #expect(last.status == 0 && last.warningCodes == [], "\(last.story)")
                #expect(last["volume"]["kept"] == false && last["volume"]["reason"] == "superseded", "\(last.story)")
                let listed = try await scene.orchestrator.request("GET", "/api/v1/volumes").json["data"]
                #expect(listed?[0]?["generation"] == 2)
            }
        }

        @Test("row 55: what is larger than may be kept is discarded, and the older one stays", .realEngine)
        func tooLarge() async throws {
            try await withRealScene(flags: ["--volume-gb", "1"]) { scene, front in
                let cache = "--mount=type=cache,target=/c"
                let first = try await scene.start(front, step: "\(cache) echo one >/c/f").finished()
                #expect(first["volume"]["kept"] == true, "\(first.story)")
                let large = try await scene.start(front, step: "\(cache) busybox fallocate -l 1200000000 /c/large")
                    .finished()
                #expect(large.status == 0 && large.warningCodes == ["volume_not_kept"], "\(large.story)")
                #expect(large["volume"]["reason"] == "too_large", "\(large.story)")
                let third = try await scene.start(front, step: "\(cache) busybox ls /c").finished()
                #expect(third["volume"]["generation"] == 1 && third.errorText.contains(" f\n"), "\(third.story)")
                #expect(!third.errorText.contains("large\n"), "\(third.story)")
            }
        }
    }
}
