import Foundation
import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Rows 8 to 10: the orchestrator answers what no orchestrator should.
    @Suite struct BadAnswerTests {
        /// An answer is cut off at 1 MiB, so whatever is sent costs little more than that.
        private static let memoryLimit = 96 << 20

        enum Flood: String, CaseIterable {
            case oversized, endless, bomb

            func reply() async throws -> ScriptedHTTPServer.Reply {
                switch self {
                case .oversized: return .answer(201, [UInt8](repeating: 0x20, count: 64 << 20))
                case .endless: return .endless(201)
                case .bomb:
                    return .answer(201, try await Self.bombBytes.value, headers: ["Content-Encoding": "gzip"])
                }
            }

            /// 128 MB, as they are compressed.
            private static let bombBytes = Task {
                try await withTemporaryFolder { folder in
                    let file = folder.appending(path: "bomb")
                    try await runTool("/bin/sh", ["-c", "head -c 128M /dev/zero | gzip -1 >\"$0\"", file.path])
                    return Array(try Data(contentsOf: file))
                }
            }
        }

        /// Without it there is no index, and so none of the names that were asked for.
        @Test(
            "row 63: one of two runners does not say what it pushed",
            arguments: ["{}", "{\"containerimage.digest\":\"latest\"}", "{\"containerimage.digest\":\"../../x\"}"])
        func noDigest(metadata: String) async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(
                    """
                    \(ScriptedRunner.success)
                    case "$*" in *linux/386*) echo '\(metadata)' >"$metadata" ;; esac
                    """)
                scene.orchestrator.script(.health, [.changed { $0["platforms"] = ["linux/amd64", "linux/386"] }])
                // Both are one machine.
                let folder = runner.workDir
                scene.orchestrator.script(
                    .spawn, [.changed { $0["work_dir"] = .string("\(folder)/\($0["runner_id"]?.stringValue ?? "")") }])
                let build = try await scene.build(["--platforms", "linux/amd64,linux/386"])
                #expect(build.status == 1 && build.errorCode == "push_failed", "\(build.story)")
                #expect(
                    build.message.hasSuffix("the runner for linux/386 does not say what it pushed"), "\(build.message)")
                #expect(build.artifact["status"] == "failed" && build.digest == nil)
                #expect(scene.orchestrator.runners.count == 2)
            }
        }

        @Test("row 08: the answer to the spawn is oversized, endless, or a bomb", arguments: Flood.allCases)
        func floodedSpawn(_ flood: Flood) async throws {
            let reply = try await flood.reply()
            try await withScene { scene in
                // The request that finds out what was spawned takes until its memory was seen.
                scene.orchestrator.script(.spawn, [.lost(reply), .after(scene.watch.waitForLook)])
                let build = try await scene.build()
                #expect(build.status == 3 && build.errorCode == "orchestrator_answer_invalid", "\(build.story)")
                #expect(build.runnerID == "r-1" && build.isRunnerDestroyed == true)
                #expect(scene.peakMemory > 0 && scene.peakMemory < Self.memoryLimit, "\(scene.peakMemory)")
            }
        }

        @Test("row 08: the answer to the long-poll is oversized, endless, or a bomb", arguments: Flood.allCases)
        func floodedPoll(_ flood: Flood) async throws {
            let reply = try await flood.reply()
            try await withScene { scene in
                scene.orchestrator.setState("pending")
                scene.orchestrator.script(.poll, [.fault(reply)])
                scene.orchestrator.script(.destroy, [.after(scene.watch.waitForLook)])
                let build = try await scene.build()
                #expect(build.status == 3 && build.errorCode == "orchestrator_answer_invalid", "\(build.story)")
                #expect(build.isRunnerDestroyed == true)
                #expect(scene.peakMemory > 0 && scene.peakMemory < Self.memoryLimit, "\(scene.peakMemory)")
            }
        }

        @Test("row 08: the history is endless: a warning, and the build goes on") func floodedHistory() async throws {
            try await withRunner { scene, _, _ in
                scene.orchestrator.script(.p95, [.fault(.endless(200))])
                scene.orchestrator.script(.destroy, [.after(scene.watch.waitForLook)])
                let build = try await scene.build()
                #expect(build.status == 0 && !build.warningCodes.isEmpty, "\(build.story)")
                #expect(scene.peakMemory > 0 && scene.peakMemory < Self.memoryLimit, "\(scene.peakMemory)")
            }
        }

        enum Garbage: String, CaseIterable {
            case words, half, otherKind, noText, noData, nothing, deep

            var bytes: [UInt8] {
                switch self {
                case .words: Array("it works!".utf8)
                case .half: Array(#"{"success":true,"data":"#.utf8)
                case .otherKind: Array("[]".utf8)
                case .noText: [0xFF, 0xFE, 0x00]
                case .noData: Array(#"{"success":true,"data":null,"error":null}"#.utf8)
                case .nothing: []
                case .deep: Array(String(repeating: "[", count: 100_000).utf8)
                }
            }
        }

        @Test("row 09: the answer to the spawn is no JSON that can be used, once", arguments: Garbage.allCases)
        func garbageOnce(_ garbage: Garbage) async throws {
            try await withScene { scene in
                scene.orchestrator.script(.spawn, [.lost(.answer(201, garbage.bytes)), .honest])
                let build = try await scene.build()
                #expect(build.status == 3 && build.errorCode == "orchestrator_answer_invalid", "\(build.story)")
                // Its id was not known, so it was asked for with the same key.
                #expect(Set(scene.orchestrator.spawnKeys).count == 1)
                #expect(build.runnerID == "r-1" && build.isRunnerDestroyed == true)
            }
        }

        @Test("row 09: the answer to the spawn is no JSON that can be used, for ever: the lease ends the runner")
        func garbageForEver() async throws {
            try await withScene { scene in
                scene.allow { $0.leftToTheirLease = 1 }
                scene.orchestrator.script(.spawn, [.lost(.answer(201, Array("it works!".utf8)))])
                let build = try await scene.build()
                #expect(build.status == 3 && build.errorCode == "orchestrator_answer_invalid", "\(build.story)")
                #expect(build.isRunnerDestroyed == false && build.warningCodes.contains("runner_not_destroyed"))
                // Nobody renews it.
                #expect(scene.orchestrator.runners.map(\.beats.count) == [1])
            }
        }

        @Test("row 09: the answer to the spawn is cut short for ever: the lease ends the runner")
        func truncatedForEver() async throws {
            try await withScene(waiting: true) { scene in
                scene.allow { $0.leftToTheirLease = 1 }
                scene.orchestrator.script(.spawn, [.lost(.truncated(201, Array(#"{"success":true}"#.utf8)))])
                let build = try await scene.build(["--spawn-timeout", "2"])
                #expect(build.status == 3 && build.errorCode == "orchestrator_unreachable", "\(build.story)")
                #expect(build.isRunnerDestroyed == false && build.warningCodes.contains("runner_not_destroyed"))
                #expect(Set(scene.orchestrator.spawnKeys).count == 1)
            }
        }

        /// Fields of a runner that are not as they must be; its id can be read in all of them.
        private static let wrongFields: [(name: String, value: JSONValue)] = [
            ("port", "22"), ("port", 70000), ("state", "happy"), ("state", nil), ("host", ["127.0.0.1"]),
            ("host", "a b"), ("host", "x'y"), ("host", "-oProxyCommand=x\u{1B}"), ("user", "root\n"), ("user", ""),
            ("work_dir", "build"), ("work_dir", "/build/../etc"), ("work_dir", "/a b"), ("host_keys", "ssh-ed25519"),
            ("host_keys", ["ssh-ed25519 not-base64"]), ("workspace", 7), ("size", "large"),
        ]

        @Test(
            "row 09: a field of the runner is of the wrong type, or no host is: destroyed by its id", arguments: 0..<17)
        func wrongField(_ index: Int) async throws {
            let (name, value) = Self.wrongFields[index]
            try await withScene { scene in
                scene.orchestrator.script(.spawn, [.changed { $0[name] = value }])
                let build = try await scene.build()
                #expect(build.status == 3 && build.errorCode == "orchestrator_answer_invalid", "\(build.story)")
                #expect(build.message.contains(name))
                #expect(build.runnerID == "r-1" && build.isRunnerDestroyed == true)
                #expect(scene.orchestrator.requests(.spawn).count == 1)
            }
        }

        @Test("row 09: the runner's id is of the wrong type, once", arguments: [7, "", "../r-1", nil] as [JSONValue])
        func wrongID(_ id: JSONValue) async throws {
            try await withScene { scene in
                scene.orchestrator.script(.spawn, [.changed { $0["runner_id"] = id }, .honest])
                let build = try await scene.build()
                #expect(build.status == 3 && build.errorCode == "orchestrator_answer_invalid", "\(build.story)")
                #expect(build.runnerID == "r-1" && build.isRunnerDestroyed == true)
            }
        }

        @Test("row 09: the answer to the long-poll is not of this runner, or nonsense", arguments: [false, true])
        func badPoll(_ isOfAnother: Bool) async throws {
            try await withScene { scene in
                scene.orchestrator.setState("pending")
                scene.orchestrator.script(
                    .poll, [isOfAnother ? .changed { $0["runner_id"] = "r-77" } : .fault(.answer(200, [0x7B]))])
                // Held back, its answer would come only after a while.
                let build = try await scene.build(["--spawn-timeout", "3"])
                #expect(build.status == 3, "\(build.story)")
                #expect(build.runnerID == "r-1" && build.isRunnerDestroyed == true)
            }
        }

        private static let redirects: [(status: Int, toFile: Bool)] = [
            (301, false), (302, false), (303, false), (307, false), (308, false), (302, true), (307, true),
        ]

        @Test("row 10: a redirect to another host or to a file is not followed", arguments: 0..<7)
        func redirect(_ index: Int) async throws {
            let (status, toFile) = Self.redirects[index]
            try await withScene { scene in
                try await withScriptedHTTPServer { other in
                    let target = toFile ? "file:///etc/hostname" : "\(other.url)/api/v1/runners"
                    for route in [OrchestratorRoute.spawn, .p95] {
                        scene.orchestrator.script(route, [.fault(.answer(status, headers: ["Location": target]))])
                    }
                    let build = try await scene.build()
                    #expect(build.status == 3 && build.errorCode == "orchestrator_answer_invalid", "\(build.story)")
                    #expect(build.message.contains("redirect") && other.connections == 0)
                    #expect(scene.orchestrator.requests(.spawn).count == 1 && build["runner"] == .null)
                }
            }
        }
    }
}
