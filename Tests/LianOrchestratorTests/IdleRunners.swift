import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Runs the orchestrator with an engine that does nothing, for tests of what becomes of runners: they take little room
/// and less time. The caller may have any number of them.
func withIdleRunners(
    diskKilobytes: Int? = nil, engine choice: String = "buildkit", flags: [String] = [],
    _ body: (Orchestrator, Caller) async throws -> Void
) async throws {
    try await withTemporaryFolder { folder in
        let caller = try await Caller(in: folder)
        let engine = "[ \"$1\" != --version ] || exit 0; exec sleep 100000"
        for (name, script) in [("buildkitd", engine), ("buildctl", "exit 0"), ("runc", "exit 0")] {
            try writeScript(script, to: folder.appending(path: name))
        }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        try await withOrchestrator(
            diskKilobytes: diskKilobytes, engine: choice, flags: flags,
            environment: ["PATH": "\(folder.path):\(path)"]
        ) { orchestrator in
            try await body(orchestrator, caller)
        }
    }
}

extension Orchestrator {
    /// A runner of which nobody will be heard, with the shortest lease with which this machine has one ready in time, and
    /// when it was asked for.
    func forsakenRunner(
        of caller: Caller
    ) async throws -> (runner: ReadyRunner, lease: Duration, asked: ContinuousClock.Instant) {
        let (runner, lease, asked) = await withEnoughTime(from: .seconds(10)) { lease in
            let asked = ContinuousClock.now
            let order = caller.order(lease: Int(lease.components.seconds))
            return (try? await readyRunner(order), lease, asked)
        } wasEnough: {
            $0.0 != nil
        }
        return (try #require(runner), lease, asked)
    }

    func heartbeat(_ id: String) async throws -> Int {
        try await request("POST", "/api/v1/runners/\(id)/heartbeat").status
    }

    /// nil where it is gone.
    func state(of id: String) async throws -> RunnerState? {
        let answer = try await request("GET", "/api/v1/runners/\(id)")
        return answer.json["data"]?["state"]?.stringValue.flatMap(RunnerState.init(rawValue:))
    }

    func sweep() async throws -> SubprocessResult {
        try await run(command(["--sweep"]), deadline: .seconds(60))
    }
}
