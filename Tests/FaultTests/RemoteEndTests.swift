import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 21: something on the runner is killed by a signal. What was not seen to end well has not ended well.
    @Suite struct RemoteEndTests {
        /// It has built and told its digest, and does not come to its end all the same.
        @Test("row 21: buildctl is killed after its last word", arguments: [SIGTERM, SIGSEGV, SIGABRT, SIGHUP])
        func killedCommand(signal: Int32) async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine("\(ScriptedRunner.success)\nkill -\(signal) $$; sleep 600")
                let build = try await scene.build()
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build.digest == nil && build.artifact["status"] == "failed")
                // The message is all that there is to tell, and is told once.
                #expect(build.message.contains("buildctl exited with") && build.logTail == [], "\(build.story)")
                #expect(!build.story.contains("The lines above"), "\(build.story)")
                #expect(build.attempts.map { $0["exit_code"] } == [.integer(128 + Int(signal))])
                #expect(scene.orchestrator.runners.count == 1)
            }
        }

        /// A kill that was not ours may have been for want of memory: tried once more, and then no more.
        @Test("row 21: buildctl is killed by SIGKILL after its last word") func killedForMemory() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine("\(ScriptedRunner.success)\nkill -KILL $$; sleep 600")
                let build = try await scene.build()
                #expect(build.status == 5 && build.errorCode == "out_of_memory", "\(build.story)")
                #expect(build.digest == nil && build.artifact["status"] == "failed")
                #expect(build.attempts.map { $0["oom"]?["reason"] } == ["exit_137", "exit_137"])
                #expect(scene.orchestrator.runners.count == 2)
            }
        }

        @Test("row 21: the keeper of the run is killed") func killedSupervisor() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine("echo '#1 0.1 begun'; sleep 600; succeed")
                let running = try scene.start()
                try await running.says(" begun\n")
                kill(try pid(in: "pids", at: 1, of: runner), SIGKILL)
                let build = try await scene.finish(running)
                #expect(build.status == 4 && build.errorCode == "connection_lost", "\(build.story)")
                #expect(build.digest == nil && build.attempts.count == 1)
            }
        }

        /// The session only watches: the run does not need it.
        @Test("row 21: the session that follows the run is killed") func killedSession() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(
                    "echo '#1 0.1 begun'; while [ ! -e '\(runner.workDir)/go' ]; do sleep 0.1; done; echo '#1 0.2 end'; succeed"
                )
                let running = try scene.start()
                try await running.says(" begun\n")
                kill(try pid(in: "session", at: 0, of: runner), SIGKILL)
                try await running.says("coming back to it")
                #expect(FileManager.default.createFile(atPath: "\(runner.workDir)/go", contents: nil))
                let build = try await scene.finish(running)
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.errorText.components(separatedBy: " begun\n").count == 2)
                #expect(build.errorText.components(separatedBy: " end\n").count == 2)
            }
        }

        /// A number that the remote side keeps in a file of the run's folder.
        private func pid(in name: String, at index: Int, of runner: ScriptedRunner) throws -> pid_t {
            let words = try String(contentsOfFile: "\(runner.workDir)/run-app/\(name)", encoding: .utf8).split {
                $0.isWhitespace
            }
            return try #require(words.count > index ? pid_t(words[index]) : nil)
        }
    }
}
