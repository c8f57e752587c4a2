import Foundation
import LianModel
import LianSSH
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@Suite(.serialized) struct ConnectTests {
    private func connect(
        port: Int, host: String = "127.0.0.1", within limit: Duration, limits: SSHLimits = SSHLimits(),
        retries: Bool = true
    ) async throws {
        let key = try SSHKey.ephemeral()
        let connection = try await SSHConnection.connect(
            to: SSHEndpoint(host: host, port: port, user: "nobody"), key: key, hostKeys: .pinned([key.publicKey]),
            deadline: .now + limit, retryWhileBooting: retries, limits: limits)
        await connection.disconnect()
    }

    /// A deadline that a busy machine spends on the way there says less than these words.
    private func expectUnreachable(
        saying words: String, from limit: Duration, _ body: (Duration) async throws -> Void
    ) async throws {
        let error = await withEnoughTime(from: limit) { limit in
            await lianError(.sshUnreachable) { try await body(limit) }
        } wasEnough: { error in
            error?.message.contains(words) == true
        }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func aPortThatOpensLateIsReachedAtOnce() async throws {
        let port = try freePort()
        let key = try SSHKey.ephemeral()
        try await withTemporaryFolder { folder in
            let hostKey = try await makeSSHKey(folder.appending(path: "host").path, ["-t", "ed25519"])
            let configuration = ["HostKey \(folder.path)/host"]
            let connecting = Task {
                let connection = try await SSHConnection.connect(
                    to: SSHEndpoint(host: "127.0.0.1", port: port, user: NSUserName()), key: key,
                    hostKeys: .pinned(lines: [hostKey]), deadline: .now + .seconds(600))
                return (connection, ContinuousClock.now)
            }
            try await Task.sleep(for: .milliseconds(300))
            let options = SSHServerOptions(
                hostKeys: [], authorizedKeys: [key.publicKeyLine], configuration: configuration, port: port)
            try await withSSHServer(options) { _ in
                let listening = ContinuousClock.now
                let (connection, connected) = try await connecting.value
                #expect(connected - listening < .seconds(60))
                #expect(try await connection.finish("echo up").text == "up\n")
                await connection.disconnect()
            }
        }
    }

    @Test func aPortThatStaysShutIsGivenUpAtTheDeadline() async throws {
        let port = try refusingPort()
        try await expectUnreachable(saying: "Connection refused", from: .milliseconds(400)) { limit in
            let start = ContinuousClock.now
            defer { #expect(ContinuousClock.now - start >= limit - .milliseconds(100)) }
            try await connect(port: port, within: limit)
        }
    }

    @Test func withoutRetriesOneRefusalIsTheEnd() async throws {
        let port = try refusingPort()
        let start = ContinuousClock.now
        _ = await lianError(.sshUnreachable) { try await connect(port: port, within: .seconds(600), retries: false) }
        #expect(ContinuousClock.now - start < .seconds(300))
    }

    @Test func cancellingStopsTheWaitAtOnce() async throws {
        let port = try refusingPort()
        let connecting = Task { try await connect(port: port, within: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(50))
        let start = ContinuousClock.now
        connecting.cancel()
        await #expect(throws: CancellationError.self) { try await connecting.value }
        #expect(ContinuousClock.now - start < .seconds(300))
    }

    @Test func aPortThatSaysNothingIsToldSo() async throws {
        let silent = try ScriptedListener(saying: "")
        defer { silent.stop() }
        try await expectUnreachable(saying: "says nothing", from: .milliseconds(500)) { limit in
            try await connect(port: silent.port, within: limit, limits: SSHLimits(banner: limit * 0.4))
        }
    }

    @Test func cancellingStopsTheWaitForABanner() async throws {
        let silent = try ScriptedListener(saying: "")
        defer { silent.stop() }
        let connecting = Task { try await connect(port: silent.port, within: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(50))
        connecting.cancel()
        await #expect(throws: CancellationError.self) { try await connecting.value }
    }

    @Test(arguments: ["\u{1}\u{2}\u{3}\u{0}garbage\n", "SSH-1.5-old\n", String(repeating: "x", count: 5000)])
    func garbageIsNoSSHServer(words: String) async throws {
        let garbage = try ScriptedListener(saying: words)
        defer { garbage.stop() }
        let start = ContinuousClock.now
        let error = await lianError(.sshUnreachable) { try await connect(port: garbage.port, within: .seconds(600)) }
        #expect(error?.message.contains("not an SSH 2 server") == true)
        #expect(ContinuousClock.now - start < .seconds(300))
    }

    @Test func anotherProtocolIsQuoted() async throws {
        let web = try ScriptedListener(saying: "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", closes: true)
        defer { web.stop() }
        try await expectUnreachable(saying: "HTTP/1.1 400 Bad Request", from: .milliseconds(300)) { limit in
            try await connect(port: web.port, within: limit)
        }
    }

    @Test func aServerThatClosesAtOnceIsTriedAgain() async throws {
        let closing = try ScriptedListener(saying: "", closes: true)
        defer { closing.stop() }
        let words = "closes the connection before its banner"
        try await expectUnreachable(saying: words, from: .milliseconds(300)) { limit in
            try await connect(port: closing.port, within: limit)
        }
    }

    @Test func aNameThatDoesNotResolveIsToldSo() async throws {
        try await expectUnreachable(saying: "resolve", from: .milliseconds(300)) { limit in
            try await connect(port: 22, host: "no-such-host.invalid", within: limit, retries: false)
        }
    }

    @Test(arguments: ["::1", "localhost"]) func otherAddressesOfThisMachineAreReached(host: String) async throws {
        let key = try SSHKey.ephemeral()
        let port = try freePort()
        let options = SSHServerOptions(
            authorizedKeys: [key.publicKeyLine], configuration: host == "::1" ? ["ListenAddress [::1]:\(port)"] : [],
            port: port)
        try await withSSHServer(options) { server in
            let connection = try await SSHConnection.connect(
                to: SSHEndpoint(host: host, port: port, user: server.user), key: key, hostKeys: server.hostKeys(),
                deadline: .now + .seconds(600))
            #expect(connection.endpoint.description == (host == "::1" ? "[::1]:\(port)" : "localhost:\(port)"))
            #expect(try await connection.finish("echo up").text == "up\n")
            await connection.disconnect()
        }
    }

    @Test func aServerThatStallsInTheKeyExchangeIsGivenUp() async throws {
        try await withSSHServer { server in
            let proxy = try FaultProxy(to: server.port)
            proxy.setLimit(400)
            let key = try SSHKey.ephemeral()
            try await expectUnreachable(saying: "key exchange", from: .seconds(1)) { limit in
                _ = try await server.connect(key: key, port: proxy.port, within: limit)
            }
        }
    }

    @Test func aRefusedKeyIsFinalAndSaysWhatWasOffered() async throws {
        try await withSSHServer { server in
            let key = try SSHKey.ephemeral()
            let start = ContinuousClock.now
            let error = await lianError(.sshAuthFailed) { _ = try await server.connect(key: key) }
            #expect(error?.message.contains(key.publicKey.fingerprint) == true)
            #expect(error?.message.contains("publickey") == true)
            #expect(error?.hint.contains(key.publicKeyLine) == true)
            #expect(ContinuousClock.now - start < .seconds(300))
        }
    }

    /// The kernel knows how far away the tunnel is.
    @Test func theRoundTripIsThatToTheServerBehindATunnel() async throws {
        try await withSSHServer { server in
            let proxy = try FaultProxy(to: server.port)
            let key = try SSHKey.ephemeral()
            try server.authorize(key.publicKeyLine)
            proxy.setLatency(.milliseconds(20))
            let told = Mutex(Duration.zero)
            let connection = try await server.connect(key: key, port: proxy.port) { answer in
                told.withLock { $0 = answer }
            }
            await connection.disconnect()
            #expect(told.withLock { $0 } >= .milliseconds(40))
        }
    }

    @Test func anIdleConnectionAnswersTheServersKeepalive() async throws {
        // Asked each second, it is cut off where so many answers are missing.
        let output = try await withEnoughTime(from: .seconds(1)) { time in
            let count = time.components.seconds
            let options = SSHServerOptions(configuration: ["ClientAliveInterval 1", "ClientAliveCountMax \(count)"])
            return try await withConnection(options) { _, connection in
                try? await connection.finish("sleep \(count + 3); echo awake").text
            }
        } wasEnough: {
            $0 != nil
        }
        #expect(output == "awake\n")
    }
}
