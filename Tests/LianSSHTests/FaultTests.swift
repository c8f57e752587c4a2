import Foundation
import Glibc
import LianChannel
import LianModel
import LianSSH
import LianSystem
import LianTestSupport
import Testing

/// The connection dies in every way that it can: never a success, never a hang.
@Suite(.serialized) struct FaultTests {
    private let nothing = RemoteEnd(isClean: false, exitStatus: nil, signal: nil)

    /// Runs a command that does not end by itself, does the harm, and looks at what is told.
    private func withVictim(
        through proxied: Bool = false,
        saying word: String, _ harm: (SSHServer, SSHConnection, FaultProxy) async throws -> Void
    ) async throws {
        try await withSSHServer { server in
            let key = try SSHKey.ephemeral()
            try server.authorize(key.publicKeyLine)
            let proxy = try FaultProxy(to: server.port)
            let connection = try await server.connect(key: key, port: proxied ? proxy.port : nil)
            let channel = try await connection.open("echo up; exec sleep 600")
            #expect(try await channel.read() == .output(Array("up\n".utf8)))
            let reading = Task { try await channel.read() }
            let start = ContinuousClock.now
            try await harm(server, connection, proxy)
            let error = await lianError(.connectionLost) { _ = try await reading.value }
            #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
            #expect(await channel.close() == nothing)
            _ = await lianError(.connectionLost) { _ = try await connection.open("true") }
            _ = await lianError(.connectionLost) { try await channel.write([1]) }
            #expect(ContinuousClock.now - start < .seconds(300))
            await connection.disconnect()
        }
    }

    @Test func theServersSessionIsKilled() async throws {
        try await withVictim(saying: "the SSH connection to") { server, _, _ in
            #expect(!server.sessionPIDs().isEmpty)
            for pid in server.sessionPIDs() { kill(pid, SIGKILL) }
        }
    }

    @Test func theConnectionIsCut() async throws {
        try await withVictim(through: true, saying: "closed") { _, _, proxy in proxy.cut() }
    }

    @Test func theConnectionIsReset() async throws {
        try await withVictim(through: true, saying: "reset by peer") { _, _, proxy in proxy.reset() }
    }

    @Test func theConnectionIsAborted() async throws {
        try await withVictim(saying: "given up on this side") { _, connection, _ in connection.abort() }
    }

    @Test func theConnectionIsAbortedWhileTheNetworkIsStalled() async throws {
        try await withVictim(through: true, saying: "given up on this side") { _, connection, proxy in
            proxy.stall()
            connection.abort()
        }
    }

    @Test func theConnectionIsDisconnected() async throws {
        try await withVictim(saying: "closed on this side") { _, connection, _ in await connection.disconnect() }
    }

    @Test func abortEndsAWriteThatIsStuck() async throws {
        try await withSSHServer { server in
            let key = try SSHKey.ephemeral()
            try server.authorize(key.publicKeyLine)
            let proxy = try FaultProxy(to: server.port)
            let connection = try await server.connect(key: key, port: proxy.port)
            let channel = try await connection.open("cat >/dev/null")
            proxy.stall()
            let writing = Task { try await channel.write([UInt8](repeating: 0, count: 64 << 20)) }
            // Until no more goes out: the kernel's buffers are full.
            var last = -1
            #expect(
                try await eventually {
                    defer { last = channel.counters.sent }
                    try await Task.sleep(for: .milliseconds(100))
                    return last > 0 && last == channel.counters.sent
                })
            // A close is bounded in time even then, and so is everything after the abort.
            let start = ContinuousClock.now
            #expect(await channel.close() == nothing)
            #expect(ContinuousClock.now - start < .seconds(300))
            connection.abort()
            await #expect(throws: (any Error).self) { try await writing.value }
            await connection.disconnect()
            #expect(ContinuousClock.now - start < .seconds(300))
        }
    }

    @Test func aStallThatEndsCostsNothing() async throws {
        try await withSSHServer { server in
            let key = try SSHKey.ephemeral()
            try server.authorize(key.publicKeyLine)
            let proxy = try FaultProxy(to: server.port)
            proxy.setLatency(.milliseconds(5))
            let connection = try await server.connect(key: key, port: proxy.port)
            let channel = try await connection.open("cat")
            proxy.stall()
            async let written: Void = channel.write(Array("late".utf8))
            try await Task.sleep(for: .milliseconds(200))
            proxy.resume()
            try await written
            #expect(try await channel.read() == .output(Array("late".utf8)))
            await connection.disconnect()
        }
    }

    @Test func stallsInMidUploadCostNothingThoughTheServerAsksForLife() async throws {
        let options = SSHServerOptions(configuration: ["ClientAliveInterval 1", "ClientAliveCountMax 100"])
        try await withSSHServer(options) { server in
            let key = try SSHKey.ephemeral()
            try server.authorize(key.publicKeyLine)
            let proxy = try FaultProxy(to: server.port)
            let connection = try await server.connect(key: key, port: proxy.port)
            let channel = try await connection.open("cat | wc -c")
            let size = 64 << 20
            async let written: Void = {
                try await channel.write([UInt8](repeating: 1, count: size))
                try await channel.closeInput()
            }()
            for _ in 0..<3 {
                proxy.stall()
                try await Task.sleep(for: .milliseconds(1300))
                proxy.resume()
                let before = channel.counters.sent
                #expect(
                    await eventually {
                        let sent = channel.counters.sent
                        return sent > before + 1 << 20 || sent == size
                    })
            }
            try await written
            #expect(try await channel.read() == .output(Array("\(size)\n".utf8)))
            await connection.disconnect()
        }
    }

    @Test func aResetInMidDownloadIsNoCleanEnd() async throws {
        try await withSSHServer { server in
            let key = try SSHKey.ephemeral()
            try server.authorize(key.publicKeyLine)
            let proxy = try FaultProxy(to: server.port)
            let connection = try await server.connect(key: key, port: proxy.port)
            let channel = try await connection.open("cat /dev/zero")
            proxy.reset(afterBytesToClient: 3_000_000)
            _ = await lianError(.connectionLost) { while try await channel.read() != nil {} }
            #expect(await channel.close() == nothing)
        }
    }

    @Test func aSlowNetworkDeliversAll() async throws {
        try await withSSHServer { server in
            let key = try SSHKey.ephemeral()
            try server.authorize(key.publicKeyLine)
            let proxy = try FaultProxy(to: server.port)
            let connection = try await server.connect(key: key, port: proxy.port)
            proxy.setLimit(2_000_000)
            let input = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let result = try await connection.finish("cat", input: input)
            #expect(result.output == input)
            #expect(result.end.exitStatus == 0)
            await connection.disconnect()
        }
    }
}
