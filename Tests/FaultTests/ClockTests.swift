import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 38: somebody sets the clock in the middle of a build. All that waits counts on a clock that nobody can set.
    @Suite(.realEngine, .enabled(if: FakeClock.library != nil, "there is no libfaketime: apt-get install libfaketime"))
    struct ClockTests {
        @Test("row 38: the orchestrator's clock steps by a day", arguments: ["+1d", "-1d"])
        func orchestrators(step: String) async throws {
            try await withShortTemporaryFolder { folder in
                let clock = try FakeClock(in: folder)
                let gate = try StepGate()
                try await withRealScene(environment: clock.environment) { scene, front in
                    let running = try scene.start(front, step: "echo begun; \(gate.waiting); echo over")
                    try await running.says(" begun\n")
                    let before = scene.orchestrator.log.utf8.count
                    try clock.set(step)
                    gate.open()
                    let build = try await running.finished()
                    #expect(build.status == 0 && build.isRunnerDestroyed == true, "\(build.story)")
                    #expect(build.attempts.count == 1 && front.runners.count == 1)
                    // It did see the step: what it says carries another day. The deletion of a runner's files may go on
                    // when its destroying is answered.
                    var said = ""
                    let isGone = await eventually {
                        said = String(decoding: scene.orchestrator.log.utf8.dropFirst(before), as: UTF8.self)
                        return said.contains("runner_gone")
                    }
                    #expect(isGone && !said.contains("\"time\":\"\(UTCTime.today)"), "\(said)")
                }
            }
        }

        @Test("row 38: the caller's clock steps by a day", arguments: ["+1d", "-1d"])
        func callers(step: String) async throws {
            try await withRealScene { scene, front in
                let clock = try FakeClock(in: scene.folder)
                let gate = try StepGate()
                let context = try scene.context(BuildScene.shell + "RUN echo begun; \(gate.waiting); echo over\n")
                let running = try scene.start(
                    scene.flags(context) + ["--time-budget", "5"],
                    environment: clock.environment.merging(["ORCHESTRATOR_URL": front.url]) { $1 })
                try await running.says(" begun\n")
                try clock.set(step)
                gate.open()
                let build = try await running.finished()
                #expect(build.status == 0 && build.isRunnerDestroyed == true, "\(build.story)")
                #expect(build["events"]["published"] == 2)
                let total = build["timings_ms"]["total"]?.intValue ?? 0
                #expect((1..<600_000).contains(total), "\(total)")
                // It did see the step.
                let times = try await scene.events().compactMap { $0.json?["time"]?.stringValue?.prefix(10) }
                #expect(Set(times).count == 2, "\(times)")
            }
        }
    }
}

extension UTCTime {
    /// As it begins in a log.
    fileprivate static var today: String {
        String(UTCTime(milliseconds: Timing.system.wallClock()).rfc3339.prefix(10))
    }
}

/// A clock that programs take for the machine's, by libfaketime; the one that nobody can set it leaves as it is.
private struct FakeClock {
    let environment: [String: String]
    private let file: URL

    static let library: String? = {
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib")) ?? []
        return folders.map { "/usr/lib/\($0)/faketime/libfaketimeMT.so.1" }
            .first { FileManager.default.fileExists(atPath: $0) }
    }()

    init(in folder: URL) throws {
        file = folder.appending(path: "clock")
        environment = [
            "LD_PRELOAD": try #require(Self.library), "FAKETIME_TIMESTAMP_FILE": file.path, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            // Else it sets this itself, before main, and a Swift program finds no arguments where the environment has
            // been moved.
            "FAKETIME_SHARED": "none none",
        ]
        try set("+0")
    }

    /// By how much it differs from the machine's: `+1d`.
    func set(_ difference: String) throws {
        // In one piece: it is read at any moment.
        try Data((difference + "\n").utf8).write(to: file, options: .atomic)
    }
}
