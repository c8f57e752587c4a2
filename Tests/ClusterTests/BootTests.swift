import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

@Suite struct BootTests {
    private let callersKey = SSHPublicKey(blob: Array("\0\0\0\u{b}ssh-ed25519\0\0\0\u{1}x".utf8))

    /// OpenSSH reads the private half, and derives the public half that clients are told.
    @Test func theHostKeyIsOneOfOpenSSH() async throws {
        try await withTemporaryFolder { folder in
            for index in 0..<20 {
                let key = try HostKey.make()
                let file = folder.appending(path: "key-\(index)").path
                try writeFile(file, key.privateText + "\n", mode: 0o600)
                let line = try await runTool("/usr/bin/ssh-keygen", ["-y", "-f", file])
                #expect(line.trimmingLineEnd() == key.publicKey.line)
            }
        }
    }

    @Test func theBootScriptFitsIntoUserDataAndIsSh() async throws {
        try await withTemporaryFolder { folder in
            let key = try #require(callersKey)
            let script = BootScript(
                runnerID: "r-0123456789", callersKey: key, hostKey: try HostKey.make(), volume: .warm
            ).text
            #expect(script.utf8.count < BootScript.limit)
            #expect(script.hasPrefix("#!/bin/sh\n"))
            let file = folder.appending(path: "boot").path
            try writeFile(file, script)
            _ = try await runTool("/bin/busybox", ["sh", "-n", file])
        }
    }

    @Test(arguments: [
        ("ready\n", BootScript.Word.ready(buildkit: nil)),
        ("ready unix:///run/lian/buildkitd.sock", .ready(buildkit: "unix:///run/lian/buildkitd.sock")),
        ("failed: no runc\n", .failed("no runc")), ("", nil), ("rea", nil),
        ("ready tcp://1.2.3.4", nil), ("failed:", nil),
    ])
    func theScriptsWordIsRead(text: String, word: BootScript.Word?) {
        #expect(BootScript.Word(text) == word)
    }

    @Test(arguments: [
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7 lian-boot: ready", BootScript.Word.ready(buildkit: nil)),
        (
            "SSH-2.0-OpenSSH_9.2p1 lian-boot: ready unix:///run/lian/buildkitd.sock",
            .ready(buildkit: "unix:///run/lian/buildkitd.sock")
        ),
        ("SSH-2.0-OpenSSH_9.2p1 lian-boot: failed: the image has no runc", .failed("the image has no runc")),
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7", nil), ("SSH-2.0-OpenSSH_9.2p1 lian-boot: ", nil),
    ])
    func theWordIsReadOfAGreeting(greeting: String, word: BootScript.Word?) {
        #expect(BootScript.Word.of(greeting: greeting) == word)
    }

    @Test(arguments: [
        ("volume ended: exit status 1\n", VolumeObstacle.engineEnds), ("volume slow: no answer", .engineIsSlow),
        ("volume odd: x", nil), ("ready\n", nil), ("", nil),
    ])
    func whatKeepsItFromItsVolumeIsRead(text: String, obstacle: VolumeObstacle?) {
        #expect(BootScript.volumeObstacle(text) == obstacle)
    }

    @Test(arguments: [
        ("clean 4096\n", BootScript.StopWord.clean(bytes: 4096)), ("unclear: signal 9\n", .unclear("signal 9")),
        ("clean", nil), ("clean -1", nil), ("clean 1 2", nil), ("", nil),
    ])
    func theWordOfStoppingIsRead(text: String, word: BootScript.StopWord?) {
        #expect(BootScript.StopWord(text) == word)
    }
}
