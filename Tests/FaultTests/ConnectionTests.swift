import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

extension Faults {
    /// Rows 18 to 20: the connection breaks while the build runs.
    @Suite struct ConnectionTests {
        private static let lines = 60
        private static let gates = [10, 20, 40]

        /// Says its lines, and waits at each of its gates until that is opened, whether anybody listens or not.
        private static let talker = """
            echo '#5 [1/1] RUN talk'
            i=0
            while [ $i -lt \(lines) ]; do
              i=$((i + 1))
              echo "#5 $i.0 line $i of many"
              case $i in 10 | 20 | 40) while [ ! -e "${context%/*}/gate-$i" ]; do sleep 0.05; done ;; esac
            done
            echo '#5 DONE 6.0s'
            """

        private func open(_ gates: [Int], _ runner: ScriptedRunner) throws {
            for gate in gates { try writeFile("\(runner.workDir)/gate-\(gate)", "") }
        }

        /// A build that is on its way, some harm, and the build goes on.
        private func withTalker(
            _ last: String = "succeed", harm: @Sendable (ScriptedRunner, FaultProxy, RunningBuild) async throws -> Void,
            check: @Sendable (FinishedBuild, FaultProxy) throws -> Void
        ) async throws {
            try await withRunner(countsItsOwnKills, waiting: true) { scene, runner, proxy in
                try runner.setEngine("\(Self.talker)\n\(last)")
                let running = try scene.start()
                try await running.says(" line \(Self.gates[0]) of many\n")
                try await harm(runner, proxy, running)
                try open(Self.gates, runner)
                try check(try await scene.finish(running), proxy)
            }
        }

        /// The numbers of the lines that were told, in order.
        private func told(_ build: FinishedBuild) -> [Int] {
            build.errorText.split(separator: "\n").filter { $0.hasSuffix(" of many") }
                .compactMap { $0.split(separator: " ").dropLast(2).last.flatMap { Int($0) } }
        }

        private func expectWhole(_ build: FinishedBuild, _ proxy: FaultProxy) throws {
            try #require(build.status == 0, "\(build.story)")
            #expect(told(build) == Array(1...Self.lines))
            #expect(build.digest == ScriptedRunner.digest && build.attempts.count == 1)
            #expect(build.isRunnerDestroyed == true && build.errorText.contains("coming back to it"))
            #expect(proxy.connections > 1)
        }

        @Test("row 18: reset three times in the middle of the build: attached again, nothing lost")
        func resets() async throws {
            try await withTalker { runner, proxy, running in
                for gate in Self.gates {
                    try await running.says(" line \(gate) of many\n")
                    let before = proxy.connections
                    proxy.reset()
                    // The next line comes over the next connection: two resets never meet the same one.
                    #expect(await eventually { proxy.connections > before })
                    try open([gate], runner)
                }
            } check: { build, proxy in
                try expectWhole(build, proxy)
                #expect(proxy.connections > 3)
            }
        }

        @Test("row 18: away for 20 s in the middle of the build: attached again, nothing lost")
        func away() async throws {
            try await withTalker { runner, proxy, running in
                proxy.refuse()
                proxy.reset()
                try open(Self.gates, runner)
                // On a thread of its own, which no other case keeps waiting: after a minute the loss is final.
                let told = await onOwnThread {
                    Thread.sleep(forTimeInterval: 20)
                    defer { proxy.accept() }
                    return running.errorText
                }
                #expect(!told.contains(" line \(Self.gates[0] + 1) of many\n"))
            } check: { build, proxy in
                try expectWhole(build, proxy)
            }
        }

        private static let sleeper = "echo '#5 [1/1] RUN sleep'; echo '#5 0.1 begun'; sleep 600; succeed"

        /// Some harm to a build that would not end by itself, and its end.
        private func withVictim(
            endsWithItsMachine: Bool = false,
            _ harm: @Sendable (ScriptedRunner, FaultProxy) async throws -> Void,
            _ check: @Sendable (FaultScene, ScriptedRunner, FinishedBuild) async throws -> Void
        ) async throws {
            try await withRunner(waiting: true) { scene, runner, proxy in
                scene.allow { $0.endsWithItsMachine = endsWithItsMachine }
                try runner.setEngine(Self.sleeper)
                let running = try scene.start()
                try await running.says(" begun\n")
                try await harm(runner, proxy)
                let build = try await scene.finish(running)
                proxy.cut()
                try await check(scene, runner, build)
            }
        }

        private func expectLost(_ build: FinishedBuild) {
            #expect(build.status == 4 && build.errorCode == "connection_lost", "\(build.story)")
            #expect(build.phase == "build" && build.isRunnerDestroyed == true)
            #expect(build.digest == nil && build.attempts.map { $0["outcome"] } == ["failed"])
            #expect(build.attempts.map { $0["exit_code"] } == [.null])
        }

        /// The silence of 20 s, the minute of coming back, and the last try of that, which may take ten.
        private func expectGivenUpInTime(_ build: FinishedBuild, _ scene: FaultScene) {
            let bound = .seconds(90) + scene.allowing(.seconds(30))
            #expect(.milliseconds(build.milliseconds(of: "build")) < bound, "\(build.story)")
        }

        @Test("row 18: reset and gone for good: connection_lost after 60 s, and the remote group is dead")
        func goneForGood() async throws {
            try await withVictim { _, proxy in
                proxy.refuse()
                proxy.reset()
            } _: { _, runner, build in
                expectLost(build)
                #expect(build.duration > .seconds(60))
                #expect(await eventually { runner.remains().isEmpty }, "\(runner.remains())")
            }
        }

        @Test("row 19: sshd is stopped in its tracks: within the heartbeat's bound and the minute of coming back")
        func stoppedServer() async throws {
            try await withVictim(endsWithItsMachine: true) { runner, _ in
                for pid in [runner.server.pid] + runner.server.sessionPIDs() { kill(pid, SIGSTOP) }
            } _: { scene, runner, build in
                kill(runner.server.pid, SIGCONT)
                expectLost(build)
                expectGivenUpInTime(build, scene)
            }
        }

        @Test("row 19: the network becomes a black hole: within the heartbeat's bound and the minute of coming back")
        func blackHole() async throws {
            try await withVictim(endsWithItsMachine: true) { _, proxy in
                proxy.stall()
            } _: { scene, _, build in
                expectLost(build)
                expectGivenUpInTime(build, scene)
            }
        }

        @Test("row 19: the network becomes a black hole while the context is sent") func blackHoleInTheSync()
            async throws
        {
            try await withRunner(waiting: true) { scene, _, proxy in
                let context = try scene.context()
                try scene.makeNoise(in: context)
                proxy.setLimit(256 << 10)
                let running = try scene.start(context: context)
                try #require(await eventually { proxy.bytesToServer > 512 << 10 }, "\(running.errorText)")
                proxy.stall()
                let build = try await scene.finish(running)
                proxy.cut()
                #expect(build.status == 4 && build.phase == "sync", "\(build.story)")
                #expect(build.isRunnerDestroyed == true)
            }
        }

        /// The build goes on there, and how it really ends is told: not by the channel's end.
        @Test("row 20: sshd's session is killed: attached again, and the true end is told", arguments: [0, 7])
        func killedSession(status: Int) async throws {
            try await withTalker("[ \(status) != 0 ] || succeed; exit \(status)") { runner, _, _ in
                for pid in runner.server.sessionPIDs() { kill(pid, SIGKILL) }
            } check: { build, proxy in
                if status == 0 { return try expectWhole(build, proxy) }
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(told(build) == Array(1...Self.lines))
                #expect(build.attempts.map { $0["exit_code"] } == [.integer(status)])
            }
        }

        @Test("row 20: sshd's session is killed and none comes in its place: 4, never 0") func killedServer()
            async throws
        {
            try await withVictim { runner, proxy in
                proxy.refuse()
                for pid in runner.server.sessionPIDs() { kill(pid, SIGKILL) }
            } _: { _, runner, build in
                expectLost(build)
                #expect(await eventually { runner.remains().isEmpty }, "\(runner.remains())")
            }
        }

        @Test("row 20: the channel's shell is killed, so that it closes with no status: attached again")
        func killedChannel() async throws {
            try await withTalker { runner, _, _ in
                kill(try pid(in: "session", runner), SIGKILL)
            } check: { build, _ in
                try #require(build.status == 0, "\(build.story)")
                #expect(told(build) == Array(1...Self.lines) && build.digest == ScriptedRunner.digest)
                #expect(build.milliseconds(of: "build") < 60_000, "\(build.story)")
            }
        }

        @Test("row 20: what watches over the build on the runner is killed: 4, never 0") func killedSupervisor()
            async throws
        {
            try await withVictim { runner, _ in
                kill(try pid(in: "pids", at: 1, runner), SIGKILL)
            } _: { _, _, build in
                expectLost(build)
                #expect(build.milliseconds(of: "build") < 60_000, "\(build.story)")
            }
        }

        @Test("row 20: sshd's session is killed while the context is sent: 4, never 0") func killedInTheSync()
            async throws
        {
            try await withRunner(waiting: true) { scene, runner, proxy in
                let context = try scene.context()
                try scene.makeNoise(in: context)
                proxy.setLimit(256 << 10)
                let running = try scene.start(context: context)
                try #require(await eventually { proxy.bytesToServer > 512 << 10 }, "\(running.errorText)")
                for pid in runner.server.sessionPIDs() { kill(pid, SIGKILL) }
                let build = try await scene.finish(running)
                #expect(build.status == 4 && build.phase == "sync", "\(build.story)")
                #expect(build.isRunnerDestroyed == true)
            }
        }

        /// A number from one of the wrapper's files of the one run that there is.
        private func pid(in file: String, at index: Int = 0, _ runner: ScriptedRunner) throws -> pid_t {
            let files = FileManager.default.enumerator(atPath: runner.workDir)
            while let name = files?.nextObject() as? String {
                guard name.hasSuffix("/\(file)") else { continue }
                let words = try String(contentsOfFile: "\(runner.workDir)/\(name)", encoding: .utf8)
                    .split(whereSeparator: \.isWhitespace)
                return try #require(words.indices.contains(index) ? pid_t(words[index]) : nil)
            }
            throw FixtureError("no run has a file '\(file)'")
        }
    }
}
