import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianSSH

/// What is asked of a real ssh-agent.
@Suite(.serialized) struct AgentTests {
    /// As libssh2 has it signed: RFC 4252, section 7.
    private func request(_ algorithm: String, _ publicKey: [UInt8]) -> [UInt8] {
        var data = WireWriter()
        data.string([UInt8](repeating: 1, count: 32))
        data.raw([50])
        for text in ["builder", "ssh-connection", "publickey"] { data.string(text.utf8) }
        data.raw([1])
        data.string(algorithm.utf8)
        data.string(publicKey)
        return data.bytes
    }

    private func sign(_ data: [UInt8], _ key: SSHPublicKey, _ socket: String) async throws -> [UInt8] {
        let canceller = try Waker()
        return try await onOwnThread {
            Result { () throws(AgentClient.Failure) in
                try AgentClient(socketPath: socket, canceller: canceller, limit: .seconds(30))
                    .sign(data, with: key.blob)
            }
        }.get()
    }

    /// An agent with one key.
    private func withKey(
        _ kind: [String], _ body: (_ key: SSHPublicKey, _ path: String, _ socket: String) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "key").path
            let line = try await makeSSHKey(path, kind)
            try await withAgent(folder) { agent in
                try await agent.add(path)
                try await body(try #require(SSHPublicKey(line: line)), path, agent.socket)
            }
        }
    }

    @Test func anRSAKeySignsWithTheAlgorithmThatIsAnnounced() async throws {
        try await withKey(["-t", "rsa", "-b", "2048"]) { key, path, socket in
            let publicHalf = try await runTool("/usr/bin/ssh-keygen", ["-e", "-m", "PKCS8", "-f", path])
            try publicHalf.write(toFile: path + ".pem", atomically: true, encoding: .utf8)
            for (algorithm, digest) in [("rsa-sha2-256", "-sha256"), ("rsa-sha2-512", "-sha512")] {
                let data = request(algorithm, key.blob)
                try Data(data).write(to: URL(filePath: path + ".data"))
                try Data(try await sign(data, key, socket)).write(to: URL(filePath: path + ".signature"))
                try await runTool(
                    "/usr/bin/openssl",
                    ["dgst", digest, "-verify", path + ".pem", "-signature", path + ".signature", path + ".data"])
            }
        }
    }

    @Test func aSignatureByAnotherAlgorithmIsNone() async throws {
        try await withKey(["-t", "ed25519"]) { key, _, socket in
            let signature = try await sign(request("ssh-ed25519", key.blob), key, socket)
            #expect(signature.count == 64)
            let error = await #expect(throws: AgentClient.Failure.self) {
                _ = try await sign(request("rsa-sha2-512", key.blob), key, socket)
            }
            #expect(error?.reason == "it signed with ssh-ed25519 in the place of rsa-sha2-512")
            let nameless = await #expect(throws: AgentClient.Failure.self) {
                _ = try await sign(Array("no request".utf8), key, socket)
            }
            #expect(nameless?.reason == "what it should sign names no algorithm")
        }
    }
}
