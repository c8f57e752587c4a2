import Foundation
import Glibc
import LianSystem
import LianTestSupport
import Synchronization
import Testing

extension Faults {
    /// What looks after each case whether all is in order would see where it is not.
    @Suite struct FixtureTests {
        private func expectTold(
            _ words: String, _ harm: @Sendable (FaultScene, ScriptedRunner) async throws -> Void
        ) async throws {
            try await withKnownIssue {
                try await withRunner { scene, runner, _ in try await harm(scene, runner) }
            } matching: { issue in
                "\(issue)".contains(words)
            }
        }

        @Test func aSecretInAnArgument() async throws {
            try await expectTold("the build secret in cmdline") { scene, runner in
                try runner.setEngine(
                    "while [ ! -e \(runner.workDir)/go ]; do sleep 0.05; done\n\(ScriptedRunner.success)")
                let running = try scene.start(["--label", "told=\(scene.secrets.buildSecret)"])
                try await running.says("build: app")
                await onOwnThread { scene.watch.waitForLook() }
                try writeFile("\(runner.workDir)/go", "")
                _ = try await scene.finish(running)
            }
        }

        @Test func aSecretInTheLog() async throws {
            try await expectTold("the passphrase in") { scene, runner in
                try runner.setEngine("echo '#1 \(scene.secrets.passphrase)'; \(ScriptedRunner.success)")
                _ = try await scene.build()
            }
        }

        @Test func aRunnerThatLives() async throws {
            try await expectTold("r-1") { scene, _ in
                scene.orchestrator.script(.destroy, [.fault(.answer(404))])
                _ = try await scene.build()
            }
        }

        @Test func aProcessOnTheRunner() async throws {
            try await expectTold("sleep 30") { scene, runner in
                // Gone by itself later than it is looked for.
                scene.allow { $0.settling = .seconds(1) }
                // It has left the build's group before the build ends.
                let up = "\(runner.workDir)/up"
                try runner.setEngine(
                    """
                    setsid sh -c 'touch \(up); exec sleep 30' >/dev/null 2>&1 &
                    while [ ! -e \(up) ]; do sleep 0.05; done
                    \(ScriptedRunner.success)
                    """)
                _ = try await scene.build()
            }
        }

        /// A proxy that refuses is still the only one that may come back to its port.
        @Test func aPortThatRefuses() async throws {
            let proxy = try FaultProxy(to: try refusingPort())
            proxy.refuse()
            let other = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(other) }
            var address = loopbackAddress(port: proxy.port)
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(other, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            #expect(result != 0 && errno == EADDRINUSE)
        }

        /// What a proxy was told holds at once, whatever its thread was doing.
        @Test func anOrderIsCarriedOutWhenItReturns() throws {
            let proxy = try FaultProxy(to: try refusingPort())
            for _ in 1...100 {
                proxy.refuse()
                #expect((try? PlainHTTPConnection(port: proxy.port)) == nil)
                proxy.accept()
                #expect((try? PlainHTTPConnection(port: proxy.port)) != nil)
            }
        }

        /// Two threads for each processor leave no work more than a third of one.
        @Test func aBusyMachine() async throws {
            final class Busy: Sendable {
                let isOver = Atomic(false)
            }
            let busy = Busy()
            defer { busy.isOver.store(true, ordering: .relaxed) }
            for _ in 0..<2 * ProcessInfo.processInfo.activeProcessorCount {
                try startThread { while !busy.isOver.load(ordering: .relaxed) {} }
            }
            let slowness = try Slowness()
            let start = ContinuousClock.now
            #expect(await eventually { slowness.factor(since: start) > 2 })
        }

        @Test func aFileInTheTemporaryFolder() async throws {
            try await expectTold("forgotten") { scene, _ in
                _ = try await scene.build()
                try writeFile(scene.folder.appending(path: "tmp/forgotten").path, "")
            }
        }
    }
}
