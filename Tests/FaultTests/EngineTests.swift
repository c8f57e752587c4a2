import Foundation
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

        /// BuildKit hands on what a step prints as it comes; only its end says that the last line is whole.
        @Test("row 28: the client is killed, and the line that its step had not ended is told") func unendedLine()
            async throws
        {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                let vertex = #"{"digest":"sha256:a","name":"[1/1] RUN make","started":"2026-03-01T00:00:00Z"}"#
                let words = Data("making\nlinking the la".utf8).base64EncodedString()
                let log = #"{"vertex":"sha256:a","stream":1,"data":"\#(words)","timestamp":"2026-03-01T00:00:01Z"}"#
                try runner.setProgram(
                    "buildctl",
                    """
                    [ "$1" != --version ] || { echo 'buildctl github.com/moby/buildkit v0.13.2 0'; exit 0; }
                    case " $*" in *" --metadata-file"*) ;; *) exit 0 ;; esac
                    echo '{"vertexes":[\(vertex)]}'
                    echo '{"logs":[\(log)]}'
                    kill -TERM $$
                    """)
                let build = try await scene.build()
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build.errorText.contains("#1 1.0 making\n#1 linking the la\n"), "\(build.story)")
                #expect(build.logTail.prefix(2) == ["making", "linking the la"], "\(build.story)")
            }
        }

        @Test("row 28: a real engine is killed in mid-step", .realEngine) func killed() async throws {
            try await withRealScene { scene, front in
                let running = try scene.start(front, step: "echo begun; busybox sleep 600")
                try await running.says(" begun\n")
                let runner = try #require(front.runners.first?.id)
                try await scene.orchestrator.killProcess("engine", of: runner)
                let build = try await running.finished()
                #expect(build.status == 4 && build.errorCode == "engine_lost", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["failed"])
                #expect(build.isRunnerDestroyed == true && front.runners.count == 1)
            }
        }
    }
}
