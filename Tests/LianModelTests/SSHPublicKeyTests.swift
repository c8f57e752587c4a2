import Foundation
import LianModel
import Testing

@Suite struct SSHPublicKeyTests {
    private static let ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpzUbH0nuZFfWWFnIMrFSIVwDfmDOiNF1zBzNnOb6kT"

    @Test func commentIsDropped() {
        #expect(SSHPublicKey(callersLine: Self.ed25519 + " someone@somewhere, \"x\"")?.line == Self.ed25519)
        #expect(SSHPublicKey(callersLine: Self.ed25519)?.line == Self.ed25519)
    }

    @Test(arguments: [
        "", "ssh-ed25519", "ssh-ed25519 ", "ssh-dss AAAA", "command=\"x\" " + ed25519, ed25519 + "\n", " " + ed25519,
        ed25519 + " a\nssh-rsa b", "ssh-ed25519 ====", "ssh-ed25519 AA-_",
    ])
    func whatHasNotTheForm(_ line: String) {
        #expect(!SSHPublicKey.hasForm(line))
        #expect(SSHPublicKey(callersLine: line) == nil)
    }

    /// Each has the form, and none is a key: cut short, one byte too long, another type within.
    @Test func whatIsNoKey() throws {
        let blob = try #require(SSHPublicKey(callersLine: Self.ed25519)?.blob)
        let lines = [
            "ssh-ed25519 AAAA", "ssh-rsa " + Self.ed25519.dropFirst(12),
            "ssh-ed25519 " + Data(blob.dropLast()).base64EncodedString(),
            "ssh-ed25519 " + Data(blob + [0]).base64EncodedString(),
        ]
        for line in lines {
            #expect(SSHPublicKey.hasForm(line))
            #expect(SSHPublicKey(callersLine: line) == nil)
        }
    }
}
