import Foundation
import Glibc
import LianModel
import LianSSH
import LianTestSupport
import Testing

@Suite(.serialized) struct HostKeyTests {
    private func otherKey() throws -> String { try SSHKey.ephemeral().publicKeyLine }

    /// Whether the server saw anything of the user.
    private func sawAuthentication(_ server: SSHServer) -> Bool {
        server.log.contains("Failed publickey") || server.log.contains("Accepted publickey")
            || server.log.contains("Postponed publickey")
    }

    @Test func whatIsNoFileHoldsNoKeys() async throws {
        try await withTemporaryFolder { folder in
            let fifo = folder.appending(path: "fifo").path
            mkfifo(fifo, 0o600)
            for path in [fifo, "/dev/zero", folder.path, fifo + "/below"] {
                let error = #expect(throws: LianError.self) { try KnownHosts(path: path) }
                #expect(error?.code == .invalidArgument && error?.message.contains(path) == true)
            }
        }
    }

    @Test(arguments: [0, 1])
    func thePinnedTypeIsAskedFor(pinned: Int) async throws {
        let key = try SSHKey.ephemeral()
        let options = SSHServerOptions(hostKeys: [.ecdsa, .ed25519], authorizedKeys: [key.publicKeyLine])
        try await withSSHServer(options) { server in
            let pins = try HostKeys.pinned(lines: [server.hostKeyLines[pinned]])
            let connection = try await server.connect(key: key, hostKeys: pins)
            #expect(try await connection.finish("echo up").text == "up\n")
            await connection.disconnect()
        }
    }

    @Test func aWrongHostKeyEndsItBeforeAuthentication() async throws {
        let key = try SSHKey.ephemeral()
        try await withSSHServer(SSHServerOptions(authorizedKeys: [key.publicKeyLine])) { server in
            let pins = try HostKeys.pinned(lines: [try otherKey()])
            let start = ContinuousClock.now
            let error = await lianError(.hostKeyMismatch) { _ = try await server.connect(key: key, hostKeys: pins) }
            let shown = try #require(SSHPublicKey(line: server.hostKeyLines[0]))
            #expect(error?.message.contains(shown.fingerprint) == true)
            #expect(ContinuousClock.now - start < .seconds(300))
            #expect(!sawAuthentication(server))
        }
    }

    @Test func aWrongHostKeyOfATypeThatTheServerLacksIsAMismatchToo() async throws {
        let key = try SSHKey.ephemeral()
        try await withSSHServer(SSHServerOptions(hostKeys: [.ecdsa], authorizedKeys: [key.publicKeyLine])) { server in
            let pins = try HostKeys.pinned(lines: [try otherKey()])
            _ = await lianError(.hostKeyMismatch) { _ = try await server.connect(key: key, hostKeys: pins) }
            #expect(!sawAuthentication(server))
        }
    }

    @Test func withoutAnyHostKeyNothingIsTried() async throws {
        let pins = HostKeys.choose(pinned: [], knownHosts: nil)
        let error = await lianError(.hostKeyUnknown) {
            _ = try await SSHConnection.connect(
                to: SSHEndpoint(host: "127.0.0.1", port: try refusingPort(), user: "root"), key: SSHKey.ephemeral(),
                hostKeys: pins, deadline: .now + .seconds(20))
        }
        #expect(error?.hint.contains("--known-hosts") == true)
    }

    @Test(.enabled(if: libraryLacksRSA, "libssh2 1.11 and later verify RSA"))
    func anRSAHostKeyAloneIsRefusedByName() async throws {
        let key = try SSHKey.ephemeral()
        let options = SSHServerOptions(hostKeys: [.rsa], authorizedKeys: [key.publicKeyLine])
        try await withSSHServer(options) { server in
            let pinned = await lianError(.hostKeyUnknown) { _ = try await server.connect(key: key) }
            #expect(pinned?.message.contains("ssh-rsa") == true)
            #expect(pinned?.hint.contains("ssh-keygen -t ed25519") == true)
            // Where another type is pinned, only the key exchange can tell.
            let pins = try HostKeys.pinned(lines: [try otherKey()])
            let shown = await lianError(.sshUnreachable) { _ = try await server.connect(key: key, hostKeys: pins) }
            #expect(shown?.hint.contains("RSA") == true)
            #expect(!sawAuthentication(server))
        }
    }

    private func connect(_ server: SSHServer, _ key: SSHKey, knownHosts text: String) async throws {
        let file = server.folder.appending(path: "known_hosts")
        try text.write(to: file, atomically: true, encoding: .utf8)
        let hostKeys = try HostKeys.choose(pinned: [], knownHosts: KnownHosts(path: file.path))
        let connection = try await server.connect(key: key, hostKeys: hostKeys)
        #expect(try await connection.finish("echo up").text == "up\n")
        await connection.disconnect()
    }

    @Test func knownHostsAreRead() async throws {
        let key = try SSHKey.ephemeral()
        try await withSSHServer(SSHServerOptions(authorizedKeys: [key.publicKeyLine])) { server in
            let line = server.hostKeyLines[0]
            let name = "[127.0.0.1]:\(server.port)"
            let other = try otherKey()
            for good in [
                "# a comment\n\n\(name) \(line)\n", "\(name) \(line) comment", "other,\(name) \(line)",
                "[127.0.0.*]:* \(line)", "[127.0.0.?]:\(server.port) \(line)", "\(name) \(other)\n\(name) \(line)",
                "@revoked * \(other)\n\(name) \(line)", "nonsense\n|1|x|y \(other)\n\(name) \(line)",
            ] {
                try await connect(server, key, knownHosts: good)
            }
            for unknown in [
                "", "127.0.0.1 \(line)", "[127.0.0.1]:1 \(line)", "!\(name),* \(line)", "\(name) nonsense",
                "@cert-authority \(name) \(line)", "@unknown \(name) \(line)", "[127.0.0.?]: \(line)",
            ] {
                let error = await lianError(.hostKeyUnknown) { try await connect(server, key, knownHosts: unknown) }
                #expect((error?.message.contains("@cert-authority") == true) == unknown.hasPrefix("@cert"))
            }
            for wrong in ["\(name) \(other)", "\(name) \(line)\n@revoked * \(line)"] {
                _ = await lianError(.hostKeyMismatch) { try await connect(server, key, knownHosts: wrong) }
            }
        }
    }

    @Test func hashedKnownHostsAreRead() async throws {
        let key = try SSHKey.ephemeral()
        try await withSSHServer(SSHServerOptions(authorizedKeys: [key.publicKeyLine])) { server in
            let file = server.folder.appending(path: "plain")
            try "[127.0.0.1]:\(server.port) \(server.hostKeyLines[0])\n".write(
                to: file, atomically: true, encoding: .utf8)
            try await runTool("/usr/bin/ssh-keygen", ["-H", "-f", file.path])
            let hashed = try String(contentsOf: file, encoding: .utf8)
            #expect(hashed.hasPrefix("|1|"))
            try await connect(server, key, knownHosts: hashed)
            let elsewhere = hashed.replacingOccurrences(of: "|1|", with: "|1|AAAA")
            _ = await lianError(.hostKeyUnknown) { try await connect(server, key, knownHosts: elsewhere) }
        }
    }

    @Test func aMissingKnownHostsFileIsAWrongArgument() async throws {
        _ = await lianError(.invalidArgument) { _ = try KnownHosts(path: "/nonexistent/known_hosts") }
    }
}
