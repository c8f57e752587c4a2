import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

/// What an attempt does with its runner, seen from the runner and its orchestrator.
@Suite struct AttemptTests {
    /// What was used is told of every attempt, however it ended, and however short it was.
    @Test(arguments: ["succeeded", "failed", "cancelled"])
    func metricsAreTold(outcome: String) async throws {
        try await withScriptedRunner { runner in
            let script = ["succeeded": "exit 0", "failed": "exit 1", "cancelled": "echo begun; exec sleep 600"]
            try runner.buildctl(script[outcome] ?? "")
            let running = try runner.start(runner.flags(try runner.context()))
            if outcome == "cancelled" {
                try await running.says("begun\n")
                running.signal(SIGINT)
            }
            let build = try await running.finished()
            #expect(build.attempts.map { $0["outcome"] } == [.string(outcome)], "\(build.story)")
            let told = runner.orchestrator.requests("POST", "/api/v1/workspaces/acme/metrics").map(\.json)
            #expect(told.count == 1)
            let metrics = try #require(told.first ?? nil)
            #expect(metrics["build_id"] == build["build_id"] && metrics["attempt"] == 1)
            #expect(metrics["outcome"]?.stringValue == outcome && metrics["tier"] == build["sizing"]["tier"])
            #expect(metrics["runner_id"]?.stringValue == ScriptedRunner.id)
            // One that was ended has only what was sampled on the way.
            if outcome != "cancelled" { #expect(metrics["cpu_peak"]?.doubleValue != nil, "\(metrics.encoded())") }
            #expect(metrics["cpu_peak"] == build["usage"]["cpu_peak"])
            #expect(metrics["memory_mb_peak"] == build["usage"]["memory_mb_peak"])
            #expect(metrics["artifacts"]?.arrayValue == build.artifacts.compactMap { $0["name"] })
            #expect(metrics["error_code"] ?? .null == build["error"]["code"] ?? .null)
            #expect(metrics["timings_ms"]?["spawn"] == build["timings_ms"]["spawn"])
            #expect(metrics["steps_total"] ?? .null == build.artifacts.first?["steps"]?["total"] ?? .null)
        }
    }

    /// One line says where gzip was most of a build, and none where it was not, or another kind was asked for.
    @Test(arguments: [("6.2s", [], true), ("4.9s", [], false), ("6.2s", ["--compression", "zstd"], false)])
    func gzipThatTookLongIsTold(took: String, flags: [String], isTold: Bool) async throws {
        try await withScriptedRunner { runner in
            try runner.buildctl(
                """
                echo '#5 exporting to image'
                echo '#5 exporting layers'
                echo '#5 exporting layers \(took) done'
                echo '#5 DONE \(took)'
                """)
            let build = try await runner.start(runner.flags(try runner.context()) + flags).finished()
            try #require(build.status == 0, "\(build.story)")
            #expect(build.errorText.contains("making its layers took 6.2 s, by gzip; --compression zstd") == isTold)
        }
    }

    /// Independent images are built as many at a time as the runner has pairs of cores.
    @Test(arguments: [(cpu: 4, atATime: 2), (cpu: 2, atATime: 1)])
    func independentImagesGoSideBySide(cpu: Int, atATime: Int) async throws {
        try await withScriptedRunner { runner in
            // Each says that it is there, and waits until as many are as there should be; one too many is told.
            try runner.buildctl(
                """
                here=../building.$$ tries=0
                : >$here
                until set -- ../building.*; [ $# -ge \(atATime) ]; do
                  tries=$((tries + 1)); [ $tries -lt 600 ] || exit 8
                  sleep 0.1
                done
                [ $# -le \(atATime) ] || exit 9
                sleep 0.3
                mv $here ../built.$$
                """)
            _ = try runner.context()
            let artifact: (String) -> JSONValue = {
                ["name": .string($0), "context": "context", "image": .string("127.0.0.1:1/acme/\($0):1")]
            }
            let directives: JSONValue = [
                "schema_version": "1", "workspace": "acme", "artifacts": [artifact("one"), artifact("two")],
                "compute": ["provider": "local"], "registry": ["provider": "generic", "endpoint": "127.0.0.1:1"],
                "runner": ["cpu": .integer(cpu)],
            ]
            let file = try runner.file("directives.json", directives.encoded())
            let build = try await runner.start(["--directives", file]).finished()
            #expect(build.status == 0, "\(build.story)")
            #expect(build.artifacts.map { $0["status"] } == ["succeeded", "succeeded"])
        }
    }

    /// A caller's own key, with a passphrase, to a runner whose host key the caller knows and its orchestrator does not.
    @Test(arguments: [true, false])
    func theCallersOwnKeyAndKnownHosts(isKnown: Bool) async throws {
        try await withScriptedRunner { runner in
            runner.orchestrator.on("POST", "/api/v1/runners") { request, _ in
                runner.tell(201, withHostKeys: false, to: request)
            }
            let key = try runner.file("key")
            try FileManager.default.removeItem(atPath: key)
            try await makeSSHKey(key, ["-t", "ed25519"], passphrase: "the words of the key")
            let lines = runner.server.hostKeyLines.map { "[\(runner.server.host)]:\(runner.server.port) \($0)\n" }
            let known = try runner.file("known_hosts", lines.joined())
            let build = try await runner.start(
                runner.flags(try runner.context()) + ["--ssh-key", key] + (isKnown ? ["--known-hosts", known] : []),
                environment: ["SSH_KEY_PASSPHRASE": "the words of the key"]
            ).finished()
            #expect(build.isRunnerDestroyed == true)
            #expect(!build.story.contains("the words of the key"))
            if isKnown {
                #expect(build.status == 0, "\(build.story)")
            } else {
                // Never trusted on first use.
                #expect(build.status == 4 && build.errorCode == "host_key_unknown", "\(build.story)")
                #expect(!runner.server.log.contains("Accepted"))
            }
        }
    }
}
