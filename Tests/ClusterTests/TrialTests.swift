import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// `--try` and `--check` of a cluster, by the real program.
extension Clustered.Runners {
    @Suite struct TrialTests {
        private func command(
            _ arguments: [String], _ further: [String: JSONValue] = [:], in folder: URL
        ) throws -> Command {
            let fields: [String: JSONValue] = [
                "kind": "lxd", "name": "far", "image": .string(Cluster.image),
                "socket": .string(try requireCluster().socket(of: "c1")),
            ]
            let file = folder.appending(path: "orchestrator.json").path
            let config: JSONValue = ["providers": [["kind": "local"], .object(fields.merging(further) { $1 })]]
            try writeFile(file, config.encoded())
            return Command(
                Project.executable("lian-orchestrator"),
                ["--config", file, "--state", folder.appending(path: "s").path] + arguments,
                environment: ProcessInfo.processInfo.environment)
        }

        /// Nothing of the trial is left here or there.
        private func expectNothingLeft(in folder: URL) async throws {
            #expect(try await requireCluster().instances().filter { $0.hasPrefix("lian-") } == [])
            #expect(fileKind(folder.appending(path: "s").path) == nil)
        }

        @Test func theClusterIsTried() async throws {
            try await withShortTemporaryFolder { folder in
                let tried = try await run(command(["--try", "far"], in: folder), deadline: .seconds(600))
                #expect(tried.termination == .exited(0), "\(tried.outputText)\(tried.errorText)")
                for step in ["provider", "spawn", "ssh", "tools", "build", "destroy"] {
                    #expect(tried.outputText.contains("\(step) "), "\(tried.outputText)")
                }
                try await expectNothingLeft(in: folder)
            }
        }

        /// Ctrl-C as soon as the machine is there, in the middle of its boot.
        @Test func interruptedWhileItBoots() async throws {
            let cluster = try requireCluster()
            try await withShortTemporaryFolder { folder in
                let trial = try RunningProcess(
                    command(["--try", "lxd"], in: folder), outputFile: folder.appending(path: "out"), newSession: true)
                defer { trial.stop() }
                var isThere = false
                while !isThere, trial.isRunning {
                    isThere = try await cluster.instances().contains { $0.hasPrefix("lian-") }
                }
                #expect(isThere, "\(trial.output)")
                kill(trial.pid, SIGINT)
                #expect(await trial.ended(within: .seconds(300)) == .exited(130), "\(trial.output)")
                try await expectNothingLeft(in: folder)
            }
        }

        /// What is wrong is said with what to do, and the other providers are told of beside it.
        @Test(arguments: [
            ("project", "none-of-that-name", "lxc project create none-of-that-name"),
            ("image", "none-of-that-name", "scripts/runner-image lxd"),
            ("socket", "/none.sock", "see that a member runs"),
        ])
        func whatIsWrongIsToldWithWhatToDo(field: String, value: String, words: String) async throws {
            try await withShortTemporaryFolder { folder in
                let further = [field: JSONValue.string(value)]
                let checked = try await run(command(["--check"], further, in: folder), deadline: .seconds(120))
                #expect(checked.termination == .exited(2))
                #expect(checked.outputText.contains(words), "\(checked.outputText)")
                #expect(checked.outputText.contains("local: engine "), "\(checked.outputText)")
                let tried = try await run(command(["--try", "far"], further, in: folder), deadline: .seconds(120))
                #expect(tried.termination == .exited(1) && tried.outputText.contains(words), "\(tried.outputText)")
                try await expectNothingLeft(in: folder)
            }
        }
    }
}
