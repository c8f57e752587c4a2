import Glibc
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Row 28: the build engine is gone in the middle of a step, and memory is not why.
    @Suite struct EngineTests {
        @Test(
            "row 28: the engine is gone, as each client says it",
            arguments: [
                "error: failed to solve: Unavailable: error reading from server: EOF",
                "error: failed to solve: rpc error: code = Unavailable desc = transport is closing",
                "error: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
                "error: unexpected EOF",
            ])
        func saysItsClient(words: String) async throws {
            try await withRunner(countsItsOwnKills) {
                scene, runner, _ in
                try runner.setEngine("echo '#1 [1/1] RUN make'; echo '#1 0.1 making'; echo '\(words)' >&2; exit 1")
                let build = try await scene.build()
                #expect(build.status == 4 && build.errorCode == "engine_lost", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["failed"])
                #expect(scene.orchestrator.runners.count == 1)
            }
        }

        @Test("row 28: a real engine is killed in mid-step", .realEngine) func killed() async throws {
            try await withRealScene { scene, front in
                let running = try scene.start(front, step: "echo begun; busybox sleep 600")
                try await running.says(" begun\n")
                let runner = try #require(front.runners.first?.id)
                kill(try #require(scene.orchestrator.process("engine", of: runner)), SIGKILL)
                let build = try await running.finished()
                #expect(build.status == 4 && build.errorCode == "engine_lost", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["failed"])
                #expect(build.isRunnerDestroyed == true && front.runners.count == 1)
            }
        }
    }
}
