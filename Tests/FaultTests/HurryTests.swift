import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Row 72: the build is ended twice, wherever it is, and no runner stays.
    @Suite struct HurryTests {
        /// Both at once: two of a kind would be one to the kernel.
        private func endTwice(_ running: RunningBuild) {
            running.signal(SIGINT)
            running.signal(SIGTERM)
        }

        private func expectEnded(_ build: FinishedBuild) {
            #expect([130, 143].contains(build.status) && build["status"] == "cancelled", "\(build.story)")
            #expect(build.errorCode == "cancelled" && !build.warningCodes.contains("runner_not_destroyed"))
        }

        /// Patient: the machine may be busy with other things.
        private func expectSoon(_ running: RunningBuild, _ condition: () -> Bool) async throws {
            try #require(await eventually(within: .seconds(120), condition), "\(running.errorText)")
        }

        @Test("row 72: ended twice while the spawn is still being answered") func inTheSpawn() async throws {
            try await withRunner(waiting: true) { scene, _, _ in
                scene.allow { $0.wallTime = .seconds(180) }
                // The runner is there, and nobody was told of it.
                scene.orchestrator.script(.spawn, [.lost(.hang)])
                let running = try scene.start()
                try await expectSoon(running) { scene.orchestrator.liveRunners.count == 1 }
                scene.orchestrator.script(.spawn, [.honest])
                endTwice(running)
                let build = try await scene.finish(running)
                expectEnded(build)
                #expect(build.isRunnerDestroyed == true && build.runnerID == "r-1")
                #expect(Set(scene.orchestrator.spawnKeys).count == 1)
            }
        }

        @Test("row 72: ended twice before anything was asked for") func inTheResolve() async throws {
            try await withScene(waiting: true) { scene in
                scene.allow { $0.wallTime = .seconds(180) }
                let programs = scene.folder.appending(path: "programs")
                try FileManager.default.createDirectory(at: programs, withIntermediateDirectories: true)
                let marker = scene.folder.appending(path: "evaluating").path
                try writeScript("touch '\(marker)'\nexec sleep 600", to: programs.appending(path: "nickel"))
                let directives = scene.folder.appending(path: "ci.ncl").path
                try writeFile(directives, "{}")
                let running = try scene.start(
                    Command(
                        Project.executable("lian-build"), ["build", "--directives", directives],
                        environment: scene.environment(["PATH": "\(programs.path):/usr/bin:/bin"]),
                        workingDirectory: scene.folder.path))
                try await expectSoon(running) { FileManager.default.fileExists(atPath: marker) }
                endTwice(running)
                let build = try await scene.finish(running)
                expectEnded(build)
                #expect(build["runner"] == .null && scene.orchestrator.requests(.spawn).isEmpty)
            }
        }

        @Test(
            "row 72: ended twice while the runner is destroyed, at the end or before another attempt",
            arguments: ["succeed", "echo 'exit code: 137' >&2; exit 1"])
        func inTheTeardown(last: String) async throws {
            try await withRunner(countsItsOwnKills, waiting: true) { scene, runner, _ in
                scene.allow { $0.wallTime = .seconds(180) }
                try runner.setEngine(last)
                // At once: it is waited for no longer than half a minute.
                let end: @Sendable () -> Void = { [weak scene] in (scene?.awaitBuild()).map(endTwice) }
                scene.orchestrator.script(.destroy, [.after(end, .lost(.hang)), .honest])
                let build = try await scene.build()
                if last == "succeed" {
                    #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                } else {
                    expectEnded(build)
                }
                #expect(build.isRunnerDestroyed == true && scene.orchestrator.requests(.spawn).count == 1)
            }
        }

        @Test("row 72: ended once more when the runner is gone and history does not answer") func afterTheTeardown()
            async throws
        {
            try await withRunner(waiting: true) { scene, _, _ in
                scene.allow { $0.wallTime = .seconds(180) }
                scene.orchestrator.script(.metrics, [.fault(.hang)])
                // Once it is gone, the orchestrator is.
                scene.orchestrator.script(.destroy, [.honest, .fault(.hang)])
                let running = try scene.start()
                try await expectSoon(running) { running.errorText.contains("is gone") }
                endTwice(running)
                let build = try await scene.finish(running)
                #expect(build.status == 0 && build.isRunnerDestroyed == true, "\(build.story)")
                #expect(!build.warningCodes.contains("runner_not_destroyed"))
            }
        }
    }
}
