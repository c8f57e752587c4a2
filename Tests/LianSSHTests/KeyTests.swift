import CSSH2
import Foundation
import Glibc
import LianModel
import LianSSH
import LianSystem
import LianTestSupport
import Synchronization
import Testing

let libraryLacksRSA = libssh2_version(0x01_0B_00) == nil

@Suite(.serialized) struct KeyTests {
    private func load(
        _ path: String, _ passphrase: PassphraseSource = .ask { _ in nil }, agent: String? = nil
    ) async throws -> SSHKey {
        try await SSHKey.load(path: path, passphrase: passphrase, agentSocket: agent)
    }

    /// The key opens a session on a server that knows its public half as ssh-keygen tells it.
    private func expectToWork(_ key: SSHKey, publicLine: String) async throws {
        #expect(key.publicKeyLine == publicLine.split(separator: " ").prefix(2).joined(separator: " "))
        try await withSSHServer(SSHServerOptions(authorizedKeys: [publicLine])) { server in
            let connection = try await server.connect(key: key)
            #expect(try await connection.finish("echo up").text == "up\n")
            await connection.disconnect()
        }
    }

    private static let kinds = [["-t", "ed25519"]] + [256, 384, 521].map { ["-t", "ecdsa", "-b", "\($0)"] }

    @Test(arguments: kinds) func plainKeysWork(kind: [String]) async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "key").path
            let line = try await makeSSHKey(path, kind)
            try await expectToWork(load(path), publicLine: line)
        }
    }

    @Test(arguments: kinds) func encryptedKeysWorkWithTheirPassphraseAlone(kind: [String]) async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "key").path
            let line = try await makeSSHKey(path, kind + ["-a", "2"], passphrase: "open sesame")
            let file = try SSHKeyFile(path: path)
            #expect(file.needsPassphrase)
            #expect(file.publicKey?.line == line)
            try await expectToWork(load(path, .value("open sesame")), publicLine: line)
            let wrong = await lianError(.sshKeyUnusable) { _ = try await load(path, .value("shut sesame")) }
            #expect(wrong?.message.contains("passphrase") == true)
            let none = await lianError(.sshKeyUnusable) { _ = try await load(path) }
            #expect(none?.hint.contains("SSH_KEY_PASSPHRASE") == true)
        }
    }

    @Test func aMistypedPassphraseIsAskedForAgain() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "key").path
            try await makeSSHKey(path, ["-t", "ed25519", "-a", "1"], passphrase: "right")
            let answers = Answers(["wrong", "right"])
            _ = try await load(path, .ask { _ in answers.next() })
            #expect(answers.next() == nil)
            let endless = Answers(["a", "b", "c", "right"])
            _ = await lianError(.sshKeyUnusable) { _ = try await load(path, .ask { _ in endless.next() }) }
            #expect(endless.next() == "right")
        }
    }

    @Test(arguments: ["-m PEM", "-m PKCS8"]) func ellipticKeysInPEMWork(form: String) async throws {
        try await withTemporaryFolder { folder in
            for (name, passphrase) in [("plain", ""), ("encrypted", "sesame")] {
                let path = folder.appending(path: name).path
                let line = try await makeSSHKey(
                    path, ["-t", "ecdsa"] + form.split(separator: " ").map(String.init), passphrase: passphrase)
                try await expectToWork(load(path, .value(passphrase)), publicLine: line)
                if !passphrase.isEmpty {
                    let error = await lianError(.sshKeyUnusable) { _ = try await load(path, .value("no")) }
                    #expect(error?.message.contains("passphrase") == true)
                }
            }
        }
    }

    @Test func ephemeralKeysWorkAndDiffer() async throws {
        let key = try SSHKey.ephemeral()
        #expect(try SSHKey.ephemeral().publicKeyLine != key.publicKeyLine)
        try await expectToWork(key, publicLine: key.publicKeyLine)
    }

    private static let agentKinds =
        [["-t", "ed25519"], ["-t", "ecdsa"]] + (libraryLacksRSA ? [] : [["-t", "rsa", "-b", "2048"]])

    @Test(arguments: agentKinds) func theAgentSignsForAPublicKey(kind: [String]) async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "key").path
            let line = try await makeSSHKey(path, kind)
            let absent = await lianError(.sshKeyUnusable) { _ = try await load(path + ".pub") }
            #expect(absent?.hint.contains("SSH_AUTH_SOCK") == true)
            let dead = await lianError(.sshKeyUnusable) { _ = try await load(path + ".pub", agent: "/nonexistent") }
            #expect(dead?.hint.contains("ssh-add") == true)
            try await withAgent(folder) { agent in
                let missing = await lianError(.sshKeyUnusable) {
                    _ = try await load(path + ".pub", agent: agent.socket)
                }
                #expect(missing?.hint.contains("ssh-add") == true)
                try await agent.add(path)
                try FileManager.default.removeItem(atPath: path)
                try await expectToWork(load(path + ".pub", agent: agent.socket), publicLine: line)
            }
        }
    }

    @Test(.enabled(if: libraryLacksRSA, "libssh2 1.11 and later sign RSA with SHA-2"))
    func rsaIsRefusedWithTheLineThatMendsIt() async throws {
        try await withTemporaryFolder { folder in
            for form in [[], ["-m", "PEM"], ["-m", "PKCS8"]] {
                let path = folder.appending(path: "key\(form.last ?? "")").path
                try await makeSSHKey(path, ["-t", "rsa", "-b", "2048"] + form)
                let error = try #require(await lianError(.sshKeyUnusable) { _ = try await load(path) })
                #expect(error.message.contains("RSA") && error.message.contains("SHA-1"))
                try await expectTheHintToMend(error)
            }
        }
    }

    @Test func ed25519InPKCS8IsRefusedWithTheLineThatMendsIt() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "key").path
            try await runTool("/usr/bin/openssl", ["genpkey", "-algorithm", "ed25519", "-out", path])
            chmod(path, 0o600)
            let error = try #require(await lianError(.sshKeyUnusable) { _ = try await load(path) })
            #expect(error.message.contains("ed25519") && error.message.contains("PKCS#8"))
            try await expectTheHintToMend(error)
        }
    }

    /// Runs the last ssh-keygen line of the hint and loads the key that it makes.
    private func expectTheHintToMend(_ error: LianError) async throws {
        let start = try #require(error.hint.range(of: "ssh-keygen -t", options: .backwards)).lowerBound
        let line = String(error.hint[start...].prefix { $0 != ";" })
        try await runTool("/bin/sh", ["-c", line + " -q -N ''"])
        let path = try #require(line.split(separator: "'").dropFirst().first)
        _ = try await load(String(path))
    }

    @Test func whatIsNoUsableKeyIsNamed() async throws {
        try await withTemporaryFolder { folder in
            func expect(_ word: String, _ path: String) async {
                let error = await lianError(.sshKeyUnusable) { _ = try await load(path) }
                #expect(error?.message.contains(word) == true, "\(word): \(error?.message ?? "")")
                #expect(error?.hint.isEmpty == false)
            }
            func file(_ name: String, _ text: String) throws -> String {
                let path = folder.appending(path: name).path
                try text.write(toFile: path, atomically: true, encoding: .utf8)
                chmod(path, 0o600)
                return path
            }
            await expect("there is no SSH key", folder.appending(path: "missing").path)
            await expect("a folder", folder.path)
            await expect("not a regular file", "/dev/null")
            await expect("empty", try file("empty", ""))
            await expect("not an SSH key", try file("text", "hello\n"))
            await expect("PuTTY", try file("ppk", "PuTTY-User-Key-File-3: ssh-ed25519\n"))
            await expect("RFC 4716", try file("rfc", "---- BEGIN SSH2 PUBLIC KEY ----\n"))
            await expect(
                "certificate", try file("pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
            await expect(
                "DSA", try file("dsa", "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n"))
            await expect(
                "damaged",
                try file("bad", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"))
            await expect(
                "damaged", try file("badpem", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"))
            let fido = publicLine("sk-ssh-ed25519@openssh.com")
            await expect("FIDO", try file("sk.pub", fido))
            await expect("unknown algorithm", try file("new.pub", publicLine("ssh-next")))

            let open = folder.appending(path: "open").path
            try await makeSSHKey(open, ["-t", "ed25519"])
            chmod(open, 0o644)
            await expect("mode 0644", open)
            let cut = folder.appending(path: "cut").path
            try await makeSSHKey(cut, ["-t", "ed25519"])
            let text = try String(contentsOfFile: cut, encoding: .utf8)
            await expect("damaged", try file("short", String(text.prefix(120))))
        }
    }

    private func publicLine(_ algorithm: String) -> String {
        func string(_ bytes: [UInt8]) -> [UInt8] { [0, 0, 0, UInt8(bytes.count)] + bytes }
        let blob = string(Array(algorithm.utf8)) + string([UInt8](repeating: 7, count: 32))
        return "\(algorithm) \(Data(blob).base64EncodedString())\n"
    }

    @Test func anEncryptionThatTheLibraryLacksIsNamed() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "key").path
            try await makeSSHKey(path, ["-t", "ed25519", "-Z", "aes256-gcm@openssh.com"], passphrase: "sesame")
            let error = await lianError(.sshKeyUnusable) { _ = try await load(path, .value("sesame")) }
            #expect(error?.message.contains("aes256-gcm") == true)
        }
    }
}

private final class Answers: Sendable {
    private let left: Mutex<[String]>

    init(_ answers: [String]) {
        left = Mutex(answers)
    }

    func next() -> String? {
        left.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    }
}
