import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Machines on standby, by the real program: they boot before anybody asks.
extension Clustered.Runners {
    @Suite struct StandbyTests {
        private static func machines() async throws -> Set<String> {
            Set(try await requireCluster().instances().filter { $0.hasPrefix("lian-r-") })
        }

        private static func standby(_ orchestrator: LianTestSupport.Orchestrator) async throws -> JSONValue? {
            let answer = try await orchestrator.request("GET", "/api/v1/overview")
            return answer.json["data"]?["providers"]?[0]?["standby"]
        }

        private static func waits(_ count: Int, _ orchestrator: LianTestSupport.Orchestrator) async throws -> Bool {
            try await eventually { try await standby(orchestrator)?["ready"]?.intValue == count }
        }

        /// What an orchestrator that was killed knows of them.
        private static func records(
            of orchestrator: LianTestSupport.Orchestrator, in folder: URL
        ) throws -> [RunnerRecord] {
            for name in ["store.sqlite", "store.sqlite-wal"] {
                try FileManager.default.copyItem(
                    atPath: "\(orchestrator.state)/\(name)", toPath: folder.appending(path: name).path)
            }
            return try Store(path: folder.appending(path: "store.sqlite").path).unfinished()
        }

        private static func place(of record: RunnerRecord) throws -> ReadyRunner {
            var answer = RunnerAnswer(runnerID: record.id, state: .ready, workspace: record.workspace)
            answer.host = record.place?.host
            answer.port = record.place?.port
            answer.user = record.place?.user
            answer.hostKeys = record.place?.hostKeys ?? []
            answer.workDir = record.place?.workDir
            return try ReadyRunner(answer)
        }

        /// Someone with a key that is there already.
        private static func holder(of key: String, in folder: URL) async throws -> Caller {
            let caller = try await Caller(in: folder)
            // ssh would offer what lies beside a key.
            try FileManager.default.removeItem(at: folder.appending(path: "key.pub"))
            try writeFile(folder.appending(path: "key").path, "\(key)\n", mode: 0o600)
            return caller
        }

        /// Through a kill of the orchestrator, into the hands of two builds at once, each with a machine that lets in
        /// nobody else.
        @Test func buildsTakeThemOver() async throws {
            let cluster = try requireCluster()
            try await withTemporaryFolder { folder in
                func configure(_ count: Int) throws -> String {
                    try writeConfig(
                        [
                            "kind": "lxd", "socket": .string(cluster.socket(of: "c1")), "image": .string(Cluster.image),
                            "standby": ["count": .integer(count), "size": ["cpu": 2, "memory_gb": 0.5]],
                        ], in: folder)
                }
                let file = try configure(2)
                try await withOrchestrator(flags: ["--config", file]) { orchestrator in
                    #expect(try await Self.waits(2, orchestrator), "\(orchestrator.log)")
                    let waiting = try await Self.machines()
                    orchestrator.kill()
                    var holders: [String: Caller] = [:]
                    for record in try Self.records(of: orchestrator, in: folder) {
                        let own = folder.appending(path: record.id)
                        try FileManager.default.createDirectory(at: own, withIntermediateDirectories: false)
                        let holder = try await Self.holder(of: try #require(record.standby?.key), in: own)
                        let letIn = try await holder.ssh(Self.place(of: record), "true")
                        #expect(letIn.termination.isSuccess, "\(letIn.errorText)")
                        holders[record.id] = holder
                    }
                    #expect(Set(holders.keys.map { "lian-\($0)" }) == waiting && waiting.count == 2)
                    try await orchestrator.start()
                    #expect(try await Self.waits(2, orchestrator))
                    #expect(try await Self.machines() == waiting)

                    let caller = try await Caller(in: folder)
                    async let one = orchestrator.readyRunner(caller.order(memoryMB: 512))
                    async let other = orchestrator.readyRunner(caller.order(build: "b-2", memoryMB: 512))
                    let runners = try await [one, other]
                    #expect(Set(runners.map(\.id)) == Set(holders.keys))
                    for runner in runners {
                        // Its own session and who listens: nobody else is logged in.
                        let told = try await caller.ssh(
                            runner, "cat \(BootScript.keysFile); grep -lx sshd /proc/[0-9]*/comm | wc -l")
                        #expect(told.outputText == "\(SSHPublicKey(line: caller.publicKey)?.line ?? "")\n2\n")
                        let refused = try await #require(holders[runner.id]).ssh(runner, "true")
                        #expect(refused.termination == .exited(255))
                        #expect(refused.errorText.contains("Permission denied"), "\(refused.errorText)")
                    }
                    try await caller.prepare(runners[0], "RUN echo hello from standby")
                    let built = try await caller.build(runners[0], "--output type=image,name=app:1")
                    #expect(built.errorText.contains("hello from standby"), "\(built.errorText)")
                    for runner in runners { try await orchestrator.destroy(runner.id) }

                    #expect(try await Self.waits(2, orchestrator), "\(orchestrator.log)")
                    let next = try await Self.machines()
                    #expect(next.isDisjoint(with: waiting))
                    let killed = try #require(next.first)
                    try await cluster.lxc(["stop", "--force", killed])
                    #expect(
                        try await eventually {
                            let now = try await Self.machines()
                            return !now.contains(killed) && now.count == 2
                        })
                    #expect(try await Self.waits(2, orchestrator), "\(orchestrator.log)")
                    // What nobody asks for any more goes, by a sweep and by a configuration that is read again.
                    orchestrator.kill()
                    let swept = try await run(
                        orchestrator.command(["--config", file, "--sweep"]), deadline: .seconds(120))
                    #expect(swept.termination == .exited(0), "\(swept.errorText)")
                    #expect(try await Self.machines().isEmpty)
                    try await orchestrator.start()
                    #expect(try await Self.waits(2, orchestrator))
                    _ = try configure(0)
                    kill(try #require(orchestrator.pid), SIGHUP)
                    #expect(try await eventually { try await Self.machines().isEmpty })
                    #expect(!orchestrator.log.contains("PRIVATE KEY"))
                }
                #expect(try await Self.machines().isEmpty)
            }
        }

        /// By the same protocol on a cloud, for a build that wants the place where the server is.
        @Test func aServerOfACloudIsTakenOver() async throws {
            try await withTemporaryFolder { folder in
                let token = folder.appending(path: "token").path
                try writeFile(token, "\(StandInCloud.token)\n")
                try await StandInCloud.with(try requireCluster()) { cloud in
                    let config = try cloudConfig(
                        cloud,
                        [
                            "token": ["via": "file", "path": .string(token)],
                            "standby": ["count": 1, "size": ["tier": "cx22", "cpu": 2, "memory_gb": 0.5]],
                        ])
                    try await withOrchestrator(flags: ["--config", try writeConfig(config, in: folder)]) {
                        orchestrator in
                        #expect(try await Self.waits(1, orchestrator), "\(orchestrator.log)")
                        let id = cloud.servers.first?.labels[HCloudMachine.Label.runner]
                        let caller = try await Caller(in: folder)
                        var order = caller.order(memoryMB: 512)
                        order.size.tier = "cx22"
                        order.region = "fsn1"
                        let runner = try await orchestrator.readyRunner(order)
                        #expect(runner.id == id)
                        #expect(try await caller.ssh(runner, "buildctl --version").termination.isSuccess)
                    }
                    #expect(cloud.servers.isEmpty)
                }
            }
        }
    }
}
