import Glibc
import LianChannel
import LianSSH
import LianSystem
import LianTestSupport
import Testing

/// A network that takes less than is sent: most packets leave this machine in pieces.
@Suite(.serialized) struct FullSocketTests {
    private static let size = 6 << 20

    /// An upload through a proxy that holds so much, from a socket that holds next to nothing; its end once the proxy
    /// is as fast as it can be.
    private func withUpload(
        queue: Int, startingAt rate: Int,
        _ body: (SSHConnection, SSHChannel, FaultProxy) async throws -> Void
    ) async throws {
        try await withSSHServer { server in
            let key = try SSHKey.ephemeral()
            try server.authorize(key.publicKeyLine)
            let proxy = try FaultProxy(to: server.port, queue: queue)
            let connection = try await server.connect(key: key, port: proxy.port)
            // Whatever stands still ends here, and with an error. On a busy machine all this takes a while.
            let watchdog = Task {
                try await Task.sleep(for: .seconds(600))
                connection.abort()
            }
            try keepSendBufferSmall(toPort: proxy.port)
            proxy.setLimit(rate)
            let channel = try await connection.open("wc -c")
            let writing = Task {
                try await channel.write([UInt8](repeating: 1, count: Self.size))
                try await channel.closeInput()
            }
            do {
                try await body(connection, channel, proxy)
                proxy.setLimit(nil)
                try await writing.value
                #expect(try await channel.read() == .output(Array("\(Self.size)\n".utf8)))
                #expect(await channel.close().exitStatus == 0)
            } catch {
                Issue.record(error)
            }
            watchdog.cancel()
            connection.abort()
            _ = await writing.result
        }
    }

    /// Our own end of the connection to that port.
    private func keepSendBufferSmall(toPort port: Int) throws {
        var size = Int32(8 << 10)
        let descriptor = try #require((3..<1024).first { peerPort(of: $0) == port })
        #expect(setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size)) == 0)
    }

    private func peerPort(of descriptor: Int32) -> Int? {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let answer = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &size) }
        }
        guard answer == 0, address.sin_family == sa_family_t(AF_INET) else { return nil }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// As much is sent ahead as on a fast line when the line becomes slow: what may be sent ahead halves while a packet
    /// is half sent.
    @Test func anUploadGoesOnWhereItsLineBecomesSlow() async throws {
        try await withUpload(queue: 400 << 10, startingAt: 2 << 20) { connection, channel, proxy in
            #expect(await eventually(within: .seconds(240)) { channel.counters.sent > 3 << 20 })
            proxy.setLimit(150_000)
            let before = channel.counters.sent
            // So much takes longer than all that waits in the proxy, and that is when the limit halves.
            try #require(
                await eventually(within: .seconds(240)) { channel.counters.sent > before + 700_000 },
                "it stands still at \(channel.counters.sent) bytes")
            let other = try await connection.finish("echo on")
            #expect(other.text == "on\n")
        }
    }

    @Test func anUploadThatFillsTheSocketLeavesOthersTheirTurn() async throws {
        try await withUpload(queue: 32 << 10, startingAt: 400_000) { connection, channel, _ in
            #expect(await eventually(within: .seconds(240)) { channel.counters.sent > 256 << 10 })
            let other = try await connection.finish("echo on")
            #expect(other.text == "on\n")
            #expect(channel.counters.sent < Self.size)
        }
    }
}
