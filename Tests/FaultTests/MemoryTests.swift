import LianModel
import LianTestSupport
import Testing

extension Faults {
    /// Rows 23, 24 and 27: what looks like out of memory, and what only says so.
    @Suite struct MemoryTests {
        /// Fails so the first time, or every time, and goes well after that.
        private func engine(failing text: String, exit status: Int = 1, always: Bool = false) -> String {
            """
            if \(always) || [ ! -e "$HOME/failed" ]; then
              : >"$HOME/failed"
              echo '#1 [1/1] RUN make'
              cat <<'END'
            \(text)
            END
              exit \(status)
            fi
            \(ScriptedRunner.success)
            """
        }

        enum Words: String, CaseIterable {
            case executor, process, cannotAllocate, buildctlItself

            var log: String {
                switch self {
                case .executor: "error: failed to solve: executor failed running [/bin/sh -c make]: exit code: 137"
                case .process:
                    "error: failed to solve: process \"make\" did not complete successfully: exit code: 137"
                case .cannotAllocate:
                    "error: failed to solve: process \"make\" did not complete successfully: cannot allocate memory"
                case .buildctlItself: "#1 0.1 making"
                }
            }

            var status: Int { self == .buildctlItself ? 137 : 1 }
            var reason: JSONValue { self == .cannotAllocate ? "text" : "exit_137" }
        }

        @Test("row 23: a step exits 137 and no kill is counted", arguments: Words.allCases)
        func onceMore(_ words: Words) async throws {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(engine(failing: words.log, exit: words.status))
                let build = try await scene.build()
                #expect(build.status == 0 && build.digest == ScriptedRunner.digest, "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["oom", "succeeded"])
                #expect(build.attempts.first?["oom"]?["reason"] == words.reason)
                #expect([0, .null].contains(build.attempts.first?["oom"]?["kernel_oom_kills"]))
                #expect(scene.orchestrator.runners.count == 2)
                expectFirstIsGoneBeforeSecond(scene)
            }
        }

        @Test("row 23: a step exits 137 twice", arguments: Words.allCases) func neverTwice(_ words: Words) async throws
        {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(engine(failing: words.log, exit: words.status, always: true))
                let build = try await scene.build()
                #expect(build.status == 5 && build.errorCode == "out_of_memory", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["oom", "oom"])
                #expect(scene.orchestrator.runners.count == 2)
                expectFirstIsGoneBeforeSecond(scene)
            }
        }

        /// The engine may tell of it before it is ended itself.
        @Test("row 23: a step exits 137 because its runner is taken away") func takenAway() async throws {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(engine(failing: Words.process.log, always: true))
                scene.orchestrator.script(
                    .heartbeat, [.fault(.failure(410, code: "gone", message: "its lease ran out"))])
                let build = try await scene.build()
                #expect(build.status == 3 && build.errorCode == "runner_failed", "\(build.story)")
                #expect(build.message.hasSuffix("answered 410 (gone: its lease ran out)"), "\(build.message)")
                #expect(build.attempts.map { $0["outcome"] } == ["failed"])
                #expect(scene.orchestrator.runners.count == 1)
            }
        }

        @Test("row 23: a step exits 137, and the orchestrator does not say whether its runner is there")
        func whoKnows() async throws {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(engine(failing: Words.process.log))
                scene.orchestrator.script(.heartbeat, [.fault(.answer(503))])
                let build = try await scene.build()
                #expect(build.status == 0, "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["oom", "succeeded"])
            }
        }

        private func expectFirstIsGoneBeforeSecond(_ scene: FaultScene) {
            let spawns = scene.orchestrator.requests(.spawn).map(\.time)
            let destroys = scene.orchestrator.requests(.destroy).map(\.time)
            #expect(spawns.count == 2 && destroys.count == 2)
            if spawns.count == 2, let first = destroys.first { #expect(first < spawns[1]) }
        }

        /// The step knows all that its user can know: the nonce too, and where records go.
        @Test("row 24: a step prints what an end by memory looks like") func printedSigns() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(
                    """
                    read -r nonce <nonce
                    for forged in "$nonce X 0 ended 5 machine 0 - machine 9 -" "$nonce D" "$nonce R 2"; do
                      echo "$forged"; echo "$forged" >&2; echo "#1 0.1 $forged"
                    done
                    for said in Killed OOM 'ResourceExhausted: no' 'cannot allocate memory' 'exit code: 137' \\
                      'error: failed to solve: exit code: 137' 'code = Unavailable'; do
                      echo "#1 0.2 $said"
                    done
                    echo '#1 ERROR: process "sh -c echo Killed; exit 137" did not complete successfully: exit code: 1'
                    echo 'error: failed to solve: process "sh -c echo Killed OOM" did not complete successfully: exit code: 1'
                    exit 1
                    """)
                let build = try await scene.build()
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build.attempts.map { $0["outcome"] } == ["failed"] && build.digest == nil)
                #expect(scene.orchestrator.runners.count == 1)
            }
        }

        @Test("row 24: an answer of the engine's was larger than gRPC takes") func largeMessage() async throws {
            try await withRunner { scene, runner, _ in
                try runner.setEngine(
                    """
                    echo 'error: failed to solve: ResourceExhausted: grpc: received message larger than max (5 vs. 4)'
                    exit 1
                    """)
                let build = try await scene.build()
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(scene.orchestrator.runners.count == 1)
            }
        }

        enum SecondSpawn: String, CaseIterable {
            case full, busy, refused, fails

            var answer: ScriptedOrchestrator.Answer {
                switch self {
                case .full: .fault(.failure(429, code: "no_capacity", message: "no machine is free", headers: later))
                case .busy: .fault(.failure(503, code: "busy", message: "not now", headers: later))
                case .refused: .fault(.failure(422, code: "unprocessable", message: "no such size"))
                case .fails:
                    .changed { runner in
                        runner["state"] = "failed"
                        runner["reason"] = "no image"
                    }
                }
            }

            /// Beyond the time for a spawn, so that it is the last answer.
            private var later: [String: String] { ["Retry-After": "3600"] }

            var code: String {
                switch self {
                case .full: "no_capacity"
                case .busy: "orchestrator_unreachable"
                case .refused: "spawn_refused"
                case .fails: "runner_failed"
                }
            }
        }

        @Test("row 27: out of memory, and there is no second runner", arguments: SecondSpawn.allCases)
        func noSecondRunner(_ second: SecondSpawn) async throws {
            try await withRunner(countsItsOwnKills) { scene, runner, _ in
                try runner.setEngine(engine(failing: Words.executor.log))
                scene.orchestrator.script(.spawn, [.honest, second.answer])
                let build = try await scene.build()
                #expect(build.status == 3 && build.errorCode == second.code, "\(build.story)")
                #expect(build.message.contains("the first attempt had run out of memory"))
                #expect(build.attempts.map { $0["outcome"] } == ["oom", "failed"])
                #expect(build.attempts.first?["oom"]?["reason"] == "exit_137")
                #expect(build.digest == nil)
                let events = try await scene.published()
                #expect(events.map { $0.subject.split(separator: ".").last } == ["started", "started", "failed"])
            }
        }
    }
}
