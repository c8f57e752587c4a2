import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianSSH

/// Agents of the caller's that a runner may ask.
@Suite(.serialized) struct ForwardedAgentTests {
    private static let refusal: [UInt8] = [5]
    private static let requestIdentities: [UInt8] = [11]

    private func keyAgent(_ folder: URL) async throws -> (agent: KeyAgent, key: SSHPublicKey) {
        let path = folder.appending(path: "key").path
        let line = try await makeSSHKey(path, ["-t", "ed25519"])
        return (try KeyAgent(path: path), try #require(SSHPublicKey(line: line)))
    }

    private func request(_ key: [UInt8], _ data: [UInt8], flags: UInt32 = 0) -> [UInt8] {
        var request = WireWriter()
        request.raw([13])
        request.string(key)
        request.string(data)
        request.number(flags)
        return request.bytes
    }

    /// Of all that an agent can be asked for, two things pass: which keys it has, and to sign.
    @Test func nothingThatChangesAnAgentPasses() async throws {
        try await withTemporaryFolder { folder in
            let (agent, key) = try await keyAgent(folder)
            let socket = SocketAgent(path: "/nonexistent")
            for type in UInt8.min...UInt8.max where ![11, 13].contains(type) {
                var request = request(key.blob, [1])
                request[0] = type
                #expect(await agent.answer(request) == Self.refusal)
                #expect(await socket.answer(request) == Self.refusal)
                #expect(await agent.answer([type]) == Self.refusal)
                #expect(!AgentMessage.mayPass(request) && !AgentMessage.mayPass([type]))
            }
            #expect(await agent.answer([]) == Self.refusal)
            #expect(await agent.answer(Self.requestIdentities + [0]) == Self.refusal)
            let long = request(key.blob, [UInt8](repeating: 1, count: 256 << 10))
            #expect(await agent.answer(long) == Self.refusal)
        }
    }

    @Test func aKeySignsForItselfAlone() async throws {
        try await withTemporaryFolder { folder in
            let (agent, key) = try await keyAgent(folder)
            let identities = await agent.answer(Self.requestIdentities)
            var expected = WireWriter()
            expected.raw([12])
            expected.number(1)
            expected.string(key.blob)
            expected.string([])
            #expect(identities == expected.bytes)
            let good = request(key.blob, [1, 2, 3])
            #expect(await agent.answer(good).first == 14)
            for bad in [Array(good.dropLast()), good + [0], request(Array(key.blob.dropLast()) + [0], [1]), [13]] {
                #expect(await agent.answer(bad) == Self.refusal)
            }
        }
    }

    @Test func keysThatCannotBeForwarded() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "key").path
            func problem() async -> LianError? {
                await lianError(.sshKeyUnusable) { _ = try KeyAgent(path: path) }
            }
            for form in [[], ["-m", "PEM"], ["-m", "PKCS8"]] {
                try await makeSSHKey(path, ["-t", "ecdsa"] + form, passphrase: "sesame")
                let encrypted = await problem()
                #expect(
                    encrypted?.message
                        == "the SSH key \(path) is encrypted, and --ssh takes no key that needs a passphrase")
                #expect(encrypted?.hint.contains("ssh-add") == true)
                try FileManager.default.moveItem(atPath: path + ".pub", toPath: path + ".public")
                for name in ["key", "key.public"] {
                    try FileManager.default.removeItem(at: folder.appending(path: name))
                }
            }
            let line = try await makeSSHKey(path, ["-t", "ed25519"])
            #expect(throws: Never.self) { _ = try KeyAgent(path: path) }
            chmod(path, 0o644)
            #expect(await problem()?.message.contains("open to other users") == true)
            let whole = try String(contentsOfFile: path, encoding: .utf8)
            for (text, message) in [
                (line, "is a public key, and --ssh needs the private one"), ("", "is empty"),
                ("no key", "is not an SSH key"), (whole.replacing("AAAA", with: "AAAB"), "is damaged"),
            ] {
                try text.write(toFile: path, atomically: true, encoding: .utf8)
                chmod(path, 0o600)
                let error = await problem()
                #expect(error?.message.contains(message) == true, "\(String(describing: error))")
            }
        }
    }

    /// What has no end, no sense or no answer is a refusal, in bounded time and memory.
    @Test(arguments: [
        Array("garbage without end".utf8), [0, 0, 0, 2, 99, 0], [0, 0, 0, 0], [0, 3, 0xFF, 0xFF, 12], [],
    ])
    func anAgentThatMakesNoSense(says bytes: [UInt8]) async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "agent").path
            let listener = try LoopbackListener(path: path) { descriptor, _ in
                var request = [UInt8](repeating: 0, count: 5)
                recv(descriptor, &request, request.count, Int32(MSG_WAITALL))
                _ = sendAll(bytes, to: descriptor)
                while bytes.isEmpty == false, bytes.first != 0, sendAll(bytes, to: descriptor) {}
                // Until it is given up.
                recv(descriptor, &request, request.count, 0)
            }
            defer { listener.stop() }
            let agent = SocketAgent(path: path, limit: .milliseconds(200))
            #expect(await agent.answer(Self.requestIdentities) == Self.refusal)
            #expect(await eventually { listener.open == 0 })
        }
    }

    @Test func anAgentThatIsGone() async throws {
        #expect(await SocketAgent(path: "/nonexistent").answer(Self.requestIdentities) == Self.refusal)
        let error = await lianError(.sshKeyUnusable) { _ = try await SocketAgent.open("/nonexistent") }
        #expect(error?.message.hasPrefix("the SSH agent at /nonexistent does not work: ") == true)
        #expect(error?.hint == "Check it with SSH_AUTH_SOCK='/nonexistent' ssh-add -l")
    }

    /// Whoever waits for it may be cancelled, and hears no more of it.
    @Test func anAgentThatWaitsForAPerson() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "agent").path
            let listener = try LoopbackListener(path: path) { descriptor, _ in
                var byte: UInt8 = 0
                while recv(descriptor, &byte, 1, 0) > 0 {}
            }
            defer { listener.stop() }
            let asking = Task { await SocketAgent(path: path, limit: .seconds(600)).answer(Self.requestIdentities) }
            #expect(await eventually { listener.open == 1 })
            asking.cancel()
            #expect(await asking.value == Self.refusal)
            #expect(await eventually { listener.open == 0 })
        }
    }

    /// It takes the connection, and then not a byte of a request that is longer than what the kernel holds for it.
    @Test func anAgentThatNeverReads() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "agent").path
            let listener = try LoopbackListener(path: path) { descriptor, _ in
                var polled = [pollfd(fd: descriptor, events: 0, revents: 0)]
                while polled[0].revents & Int16(POLLHUP) == 0 { poll(&polled, 1, -1) }
            }
            defer { listener.stop() }
            let long = request([1], [UInt8](repeating: 1, count: 255 << 10))
            #expect(await SocketAgent(path: path, limit: .milliseconds(200)).answer(long) == Self.refusal)
            #expect(await eventually { listener.accepted == 1 && listener.open == 0 })
        }
    }

    /// Nobody takes connections any more: no thread stays behind for each request.
    @Test func anAgentThatTakesNoConnection() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "agent").path
            let listener = try listenOnUnixSocket(path: path)
            var waiting: [Int32] = []
            defer { for descriptor in waiting { close(descriptor) } }
            while let one = try? connectUnixSocket(path: path, mayWait: { false }) { waiting.append(one.release()) }
            #expect(waiting.count > 0)
            let agent = SocketAgent(path: path, limit: .milliseconds(100))
            for _ in 0..<5 { #expect(await agent.answer(Self.requestIdentities) == Self.refusal) }
            // By the kernel's word for where a thread waits.
            #expect(
                await eventually {
                    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
                    return !threads.isEmpty
                        && !threads.contains {
                            (try? readText("/proc/self/task/\($0)/wchan")) == "unix_wait_for_peer"
                        }
                })
            withExtendedLifetime(listener) {}
        }
    }
}
