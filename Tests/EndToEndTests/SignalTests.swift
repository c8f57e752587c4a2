import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// Signals, in each phase of a build.
    @Suite struct SignalTests {
        private func expectCancelled(_ build: FinishedBuild, _ signal: Int32) {
            #expect(build.status == 128 + signal, "\(build.story)")
            #expect(build["status"] == "cancelled" && build.errorCode == "cancelled")
            #expect(!build.hint.isEmpty)
            #expect(build.attempts.map { $0["outcome"] } == ["cancelled"])
            #expect(build.artifact["status"] == "cancelled" && build.digest == nil)
        }

        @Test func whileARunnerIsSpawned() async throws {
            try await withScene { scene in
                let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n")
                // An orchestrator that stands still holds the build in this phase.
                scene.orchestrator.pause()
                defer { scene.orchestrator.goOn() }
                let running = try scene.start(scene.flags(context) + ["--cpu", "1", "--memory-gb", "1"])
                try await running.says("spawn: asking for a runner")
                running.signal(SIGTERM)
                scene.orchestrator.goOn()
                let build = try await running.finished()
                expectCancelled(build, SIGTERM)
                #expect(build["error"]["phase"] == "spawn")
                #expect(build.isRunnerDestroyed != false)
            }
        }

        @Test func whileTheContextIsSent() async throws {
            try await withScene { scene in
                try await withTemporaryFolder(inMemory: true) { memory in
                    let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n", in: memory)
                    try fill(URL(filePath: context), megabytes: 1024)
                    let running = try scene.start(scene.flags(context))
                    try await running.says("sync: sending")
                    // Some of it has arrived: it is on its way.
                    _ = try await eventually {
                        try fileCount(below: scene.orchestrator.runnersFolder, named: "noise-") > 0
                    }
                    running.signal(SIGHUP)
                    let build = try await running.finished()
                    expectCancelled(build, SIGHUP)
                    #expect(build["error"]["phase"] == "sync" && build.isRunnerDestroyed == true)
                }
            }
        }

        @Test func whileAStepRuns() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo begun; trap '' TERM INT; busybox sleep 600\n")
                let running = try scene.start(scene.flags(context))
                try await running.says(" begun\n")
                running.signal(SIGINT)
                let build = try await running.finished()
                expectCancelled(build, SIGINT)
                #expect(build["error"]["phase"] == "build" && build.isRunnerDestroyed == true)
                #expect(build["timings_ms"]["teardown"]?.intValue ?? .max < 10_000, "\(build.story)")
                let events = try await scene.events()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "failed"])
                #expect(events.last?.json?["data"]?["status"] == "cancelled")
            }
        }

        /// The second signal waits for no one: an orchestrator that does not answer costs two seconds.
        @Test func twice() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo begun; busybox sleep 600\n")
                let running = try scene.start(scene.flags(context))
                try await running.says(" begun\n")
                scene.orchestrator.pause()
                defer { scene.orchestrator.goOn() }
                let start = ContinuousClock.now
                running.signal(SIGINT)
                // Two that come at once are one to the kernel.
                try await running.says("SIGINT: ending the build")
                running.signal(SIGINT)
                let build = try await running.finished()
                #expect(ContinuousClock.now - start < .seconds(4))
                #expect(build.status == 130 && build["status"] == "cancelled", "\(build.story)")
                #expect(build.isRunnerDestroyed == false && build.warningCodes.contains("runner_not_destroyed"))
                scene.orchestrator.goOn()
                try await scene.orchestrator.destroy(build.runnerID ?? "")
            }
        }

        /// Files of noise: nothing makes them smaller on the way. All but the first are names of the same bytes.
        private func fill(_ folder: URL, megabytes: Int) throws {
            let size = 64
            let first = folder.appending(path: "noise-0")
            let source = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
            try #require(try source.read(upToCount: size << 20)).write(to: first)
            for number in 1..<(megabytes / size) {
                try FileManager.default.linkItem(at: first, to: folder.appending(path: "noise-\(number)"))
            }
        }

        private func fileCount(below folder: String, named prefix: String) throws -> Int {
            var count = 0
            for runner in try FileManager.default.contentsOfDirectory(atPath: folder) {
                let files = FileManager.default.enumerator(atPath: "\(folder)/\(runner)/work")
                while let file = files?.nextObject() as? String {
                    if file.split(separator: "/").last?.hasPrefix(prefix) == true { count += 1 }
                }
            }
            return count
        }
    }
}
