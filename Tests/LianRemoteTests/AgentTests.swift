import Foundation
import LianChannel
import LianModel
import LianSSH
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianRemote

/// Agents of this side that a run finds at sockets in its folder, asked by OpenSSH's own programs.
@Suite(.serialized) struct AgentTests {
    private static let list = "SSH_AUTH_SOCK=secrets/agent.0 ssh-add -L"

    private func key(_ folder: URL, _ name: String = "key", _ options: [String] = ["-t", "ed25519"]) async throws -> (
        path: String, line: String
    ) {
        let path = folder.appending(path: name).path
        return (path, try await makeSSHKey(path, options))
    }

    /// ssh-add has each of them sign, and looks at the signature.
    @Test func keysOfEveryKindSign() async throws {
        let kinds =
            [["-t", "ed25519"], ["-t", "rsa", "-b", "2048"]] + ["256", "384", "521"].map { ["-t", "ecdsa", "-b", $0] }
            + ["PEM", "PKCS8"].flatMap { form in
                [["-t", "ecdsa", "-m", form], ["-t", "rsa", "-b", "2048", "-m", form]]
            }
        try await withTemporaryFolder { folder in
            var lines: [String] = []
            var agents: [any ForwardedAgent] = []
            for (index, kind) in kinds.enumerated() {
                let (path, line) = try await key(folder, "key-\(index)", kind)
                lines.append(line.split(separator: " ").prefix(2).joined(separator: " "))
                agents.append(try KeyAgent(path: path))
            }
            // ssh-keygen cannot write this form, and ssh-add tells the public half.
            let edwards = folder.appending(path: "edwards").path
            try await runTool("/usr/bin/openssl", ["genpkey", "-algorithm", "ed25519", "-out", edwards])
            chmod(edwards, 0o600)
            agents.append(try KeyAgent(path: edwards))
            try await withRuns { runs in
                var request = runs.request(
                    """
                    for agent in \((0..<agents.count).map(String.init).joined(separator: " ")); do
                      export SSH_AUTH_SOCK=secrets/agent.$agent
                      ssh-add -L >"key-$agent.pub" && cat "key-$agent.pub" && ssh-add -T "key-$agent.pub" || exit
                    done
                    stat -c %a secrets/agent.0 secrets/relay; stat -L -c %a secrets
                    """)
                request.agents = agents
                let (log, end, _) = try await runs.complete(request)
                #expect(end.exitStatus == 0, "\(log)")
                let told = log.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
                #expect(Array(told.prefix(lines.count)) == lines)
                #expect(told.dropFirst(lines.count + 1) == ["700", "700", "700"])
                #expect(!runs.exists("there/run-1"))
            }
        }
    }

    /// A server that takes no RSA signature but this one's kind.
    @Test(arguments: ["rsa-sha2-256", "rsa-sha2-512"]) func anRSAKeyLogsIn(algorithm: String) async throws {
        try await withTemporaryFolder { folder in
            let (path, line) = try await key(folder, "key", ["-t", "rsa", "-b", "2048"])
            let options = SSHServerOptions(
                authorizedKeys: [line], configuration: ["PubkeyAcceptedAlgorithms \(algorithm)"])
            try await withSSHServer(options) { server in
                try await withRuns { runs in
                    var request = runs.request(
                        """
                        SSH_AUTH_SOCK=secrets/agent.0 exec ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no \
                        -o PubkeyAcceptedAlgorithms=\(algorithm) -o UserKnownHostsFile=/dev/null \
                        -o LogLevel=ERROR -p \(server.port) \(server.user)@\(server.host) echo in
                        """)
                    request.agents = [try KeyAgent(path: path)]
                    let (log, end, _) = try await runs.complete(request)
                    #expect(end.exitStatus == 0 && log == "in\n", "\(log)")
                }
            }
        }
    }

    @Test func theCallersAgentStaysAsItIs() async throws {
        try await withTemporaryFolder { folder in
            let (path, _) = try await key(folder)
            let (other, _) = try await key(folder, "other")
            try await withAgent(folder) { agent in
                try await agent.add(path)
                let before = try await agent.keys()
                try await withRuns { runs in
                    var request = runs.request(
                        """
                        export SSH_AUTH_SOCK=secrets/agent.0 SSH_ASKPASS=/bin/true SSH_ASKPASS_REQUIRE=force
                        ssh-add -L; ssh-add -T '\(path).pub'; echo "signed $?"
                        for change in -D "-d \(path)" \(other) -x -X; do ssh-add $change 2>/dev/null; echo "changed $?"; done
                        """)
                    request.agents = [try await SocketAgent.open(agent.socket)]
                    let (log, _, _) = try await runs.complete(request)
                    #expect(log == before + "signed 0\n" + String(repeating: "changed 1\n", count: 5), "\(log)")
                }
                #expect(try await agent.keys() == before)
            }
        }
    }

    /// Of an agent whose answers come when a test lets them, over however many connections.
    private final class HeldAgent: ForwardedAgent {
        private let inner: KeyAgent
        private let state = Mutex((asked: 0, isOpen: false))

        init(_ inner: KeyAgent) { self.inner = inner }

        var asked: Int { state.withLock { $0.asked } }
        func open() { state.withLock { $0.isOpen = true } }

        func answer(_ request: [UInt8]) async -> [UInt8] {
            let isOpen = state.withLock { state in
                state.asked += 1
                return state.isOpen
            }
            if !isOpen { try? await Task.sleep(for: .seconds(3600)) }
            return await inner.answer(request)
        }
    }

    @Test func aLostConnectionCostsARequestNothing() async throws {
        try await withTemporaryFolder { folder in
            let (path, line) = try await key(folder)
            let agent = HeldAgent(try KeyAgent(path: path))
            try await withRuns { runs in
                var request = runs.request("echo asking; \(Self.list)")
                request.agents = [agent]
                let run = RemoteRun(request)
                try await run.connect(to: runs.host)
                _ = try await run.until("asking\n")
                #expect(await eventually { agent.asked == 1 })
                agent.open()
                runs.host.cut()
                try await run.connect(to: runs.host)
                let (log, end) = try await run.toItsEnd()
                #expect(end.exitStatus == 0)
                #expect(
                    String(decoding: log, as: UTF8.self).split(separator: " ").prefix(2)
                        == line.split(separator: " ").prefix(2))
                #expect(agent.asked >= 2)
                try await run.remove()
            }
        }
    }

    /// A run of this script that has an agent of one key.
    private func withKeyAgent(
        _ script: String, _ body: (RunFixture, inout RunRequest) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let (path, _) = try await key(folder)
            try await withRuns { runs in
                var request = runs.request(script)
                request.agents = [try KeyAgent(path: path)]
                try await body(runs, &request)
            }
        }
    }

    /// A connection that is made after the end, for the result alone, answers for no agent.
    @Test func afterTheEndNobodyIsAnswered() async throws {
        try await withKeyAgent("\(Self.list) >keys; echo made >result") { runs, request in
            let run = RemoteRun(request)
            try await run.connect(to: runs.host)
            _ = try await run.toItsEnd()
            runs.host.cut()
            let before = runs.host.pids.count
            try await run.connect(to: runs.host)
            #expect(try await run.result() == Array("made\n".utf8))
            // One command fetches it, and no other follows.
            #expect(!(await eventually(within: .seconds(1)) { runs.host.pids.count > before + 1 }))
            #expect(runs.host.pids.count == before + 1)
            try await run.remove()
        }
    }

    /// Each such connection ends alone.
    @Test(arguments: [
        #"syswrite $s, "garbage without end" x 99999"#, #"syswrite $s, pack("N", 0)"#,
        #"syswrite $s, pack("N", 256 * 1024 + 1)"#, #"syswrite $s, pack("N", 5) . "abcd"; shutdown $s, 1"#,
    ])
    func aStepThatMakesNoSense(_ says: String) async throws {
        try await withKeyAgent(
            """
            perl -MSocket -e '$SIG{PIPE} = "IGNORE"; socket $s, AF_UNIX, SOCK_STREAM, 0;
            connect $s, pack_sockaddr_un("secrets/agent.0") or die; \(says);
            print "ended\\n" unless sysread $s, $_, 1'
            \(Self.list) >keys && echo "and others go on"
            """
        ) { runs, request in
            let (log, _, _) = try await runs.complete(request)
            #expect(log == "ended\nand others go on\n")
        }
    }

    /// More connections than are served at a time wait for their turn.
    @Test func aCrowd() async throws {
        try await withKeyAgent("for one in $(seq 70); do { \(Self.list) >>keys; } & done; wait; wc -l <keys") {
            runs, request in
            let (log, _, _) = try await runs.complete(request)
            #expect(log == "70\n")
        }
    }

    /// What is left of a run that nobody came back to is nothing.
    @Test func theSocketsGoWithTheRun() async throws {
        try await withKeyAgent("\(Self.list) >keys; echo ready; sleep 600") { runs, request in
            request.grace = .milliseconds(100)
            let run = RemoteRun(request)
            try await run.connect(to: runs.host)
            _ = try await run.until("ready\n")
            let store = try FileManager.default.destinationOfSymbolicLink(atPath: runs.folder + "/secrets")
            await run.disconnect()
            runs.host.cut()
            #expect(await eventually { !FileManager.default.fileExists(atPath: store) })
        }
    }

    @Test func aRunnerThatSaysWhatIsNoRequest() throws {
        func frame(_ agent: UInt8, _ size: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
            [0, 0, 0, 7, 0, 0, 0, agent] + size + bytes
        }
        let good = frame(1, [0, 0, 0, 2], [11, 12])
        for cut in 0...good.count {
            var frames = AgentFrames(agents: 2)
            let first = try frames.feed(Array(good[..<cut]))
            let rest = try frames.feed(Array(good[cut...]) + good)
            #expect(
                first + rest == [.init(number: 7, agent: 1, request: [11, 12])] + [
                    .init(number: 7, agent: 1, request: [11, 12])
                ])
        }
        for bad in [frame(2, [0, 0, 0, 1], [11]), frame(0, [0, 0, 0, 0], []), frame(0, [0, 4, 0, 1], [])] {
            var frames = AgentFrames(agents: 2)
            #expect(throws: RemoteFailure.self) { try frames.feed(bad) }
        }
        var frames = AgentFrames(agents: 2)
        let asked = try #require(try frames.feed(good).first)
        #expect(AgentFrames.answer([5], to: asked) == [0, 0, 0, 7, 0, 0, 0, 1, 5])
        #expect(
            AgentFrames.answer([UInt8](repeating: 5, count: (256 << 10) + 1), to: asked) == [0, 0, 0, 7, 0, 0, 0, 0])
    }
}
