import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

/// Every signal in every phase: the build ends at once and says so, its runner is destroyed, nothing is left.
@Suite struct CancelTests {
    enum Place: String, CaseIterable, CustomTestStringConvertible {
        case resolve, spawn, boot, connect, sync, build, teardown

        var testDescription: String { rawValue }

        /// As the envelope names it.
        var phase: String { self == .boot ? "spawn" : rawValue }
    }

    @Test(arguments: Place.allCases, [SIGHUP, SIGINT, SIGTERM])
    func bySignal(place: Place, signal: Int32) async throws {
        try await withScriptedRunner { runner in
            let silent = try ScriptedListener(saying: "")
            defer { silent.stop() }
            let running = try await hold(place, runner, silentPort: silent.port)
            running.signal(signal)
            let build = try await running.finished()
            if place == .teardown {
                // The image is pushed: that is no longer to be cancelled.
                #expect(build.status == 0 && build["status"] == "succeeded", "\(build.story)")
                #expect(build.digest != nil && build["error"] == .null)
            } else {
                #expect(build.status == 128 + signal && build["status"] == "cancelled", "\(build.story)")
                #expect(build.errorCode == "cancelled" && build["error"]["phase"]?.stringValue == place.phase)
                #expect(!build.hint.isEmpty && build.digest == nil)
                #expect(build.attempts.map { $0["outcome"] } == (place == .resolve ? [] : ["cancelled"]))
            }
            #expect(build.isRunnerDestroyed == (place == .resolve ? nil : true))
            #expect(runner.isDestroyed == (place != .resolve))
            // Asked for once; where its answer was lost, once more by the same key to learn of what there is to destroy.
            let keys = runner.orchestrator.requests("POST", "/api/v1/runners").map { $0.headers["idempotency-key"] }
            #expect(keys.count == [.resolve: 0, .spawn: 2][place, default: 1] && Set(keys).count == min(1, keys.count))
            // The contract is the same for every signal.
            if signal == SIGINT { try await runner.expectValid(build) }
        }
    }

    /// Two signals in the teardown of a build that is done: its image is there, its runner may be too.
    @Test func twiceAfterThePush() async throws {
        try await withScriptedRunner { runner in
            runner.orchestrator.on("DELETE", "/api/v1/runners/*", [.hang])
            let running = try runner.start(runner.flags(try runner.context()))
            #expect(await eventually { runner.isDestroyed })
            running.signal(SIGINT)
            try await running.says("SIGINT: ending the build")
            running.signal(SIGINT)
            let build = try await running.finished()
            #expect(build.status == 0 && build["status"] == "succeeded" && build["error"] == .null, "\(build.story)")
            #expect(build.digest != nil)
            #expect(build.isRunnerDestroyed == false && build.warningCodes.contains("runner_not_destroyed"))
            try await runner.expectValid(build)
        }
    }

    /// Starts a build and returns when it stands in that place, where it would stay for long.
    private func hold(_ place: Place, _ runner: ScriptedRunner, silentPort: Int) async throws -> RunningBuild {
        let orchestrator = runner.orchestrator
        var flags = runner.flags(try runner.context())
        let marker = try runner.file("marker")
        var isThere: (RunningBuild) -> Bool = { _ in FileManager.default.contents(atPath: marker)?.isEmpty == false }
        switch place {
        case .resolve:
            flags = ["--directives", try runner.file("directives.ncl", "{}")]
            try runner.program("nickel", "echo held >\(marker)\nexec sleep 600", for: .caller)
        case .spawn:
            orchestrator.on("POST", "/api/v1/runners") { request, count in
                count == 0 ? .hang : runner.tell(to: request)
            }
            isThere = { _ in runner.spawns == 1 }
        case .boot:
            orchestrator.on("POST", "/api/v1/runners") { request, _ in
                runner.tell(201, state: "pending", to: request)
            }
            orchestrator.on("GET", "/api/v1/runners/*", [.hang])
            isThere = { _ in !orchestrator.requests("GET", "/api/v1/runners/*").isEmpty }
        case .connect:
            orchestrator.on("POST", "/api/v1/runners") { request, _ in
                runner.tell(201, port: silentPort, to: request)
            }
            isThere = { $0.errorText.contains("connect: connecting") }
        case .sync:
            // As one whose disk stands still: it ends with its input.
            let script = "[ \"$1\" != --version ] || exit 0\necho held >\(marker)\nexec cat >/dev/null"
            try runner.program("rsync", script, for: .runner)
        case .build:
            try runner.buildctl("echo held >\(marker)\nexec sleep 600")
        case .teardown:
            orchestrator.on("DELETE", "/api/v1/runners/*") { request, _ in
                runner.tell(state: "gone", to: request, after: .seconds(1))
            }
            isThere = { _ in runner.isDestroyed }
        }
        let running = try runner.start(flags)
        let isHeld = await eventually { isThere(running) }
        try #require(isHeld, "\(running.errorText)")
        return running
    }
}
