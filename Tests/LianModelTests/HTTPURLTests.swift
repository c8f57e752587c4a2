import LianModel
import Testing

@Suite struct HTTPURLTests {
    @Test(arguments: [
        ("http://localhost:9011", "http://localhost:9011", "http://localhost:9011"),
        ("HTTPS://Example.ORG/", "https://example.org:443", "https://example.org:443"),
        ("http://[::1]/a/b//", "http://[::1]:80", "http://[::1]:80/a/b"),
        ("http://10.0.0.1:80/x", "http://10.0.0.1:80", "http://10.0.0.1:80/x"),
    ])
    func reads(text: String, origin: String, whole: String) throws {
        let url = try HTTPURL(text)
        #expect(url.origin == origin)
        #expect(url.description == whole)
    }

    @Test(arguments: [
        "", "localhost:9011", "ftp://x", "http:/x", "http://", "http://:80", "http://x:0", "http://x:65536",
        "http://x:", "http://x:8a", "http://user:pass@x", "http://x?a", "http://x#a", "http://x y", "http://x\n",
        "http://[::1", "http://[x]", "http://a/ö", "http://a'b",
    ])
    func refuses(text: String) {
        let error = #expect(throws: InvalidHTTPURL.self) { try HTTPURL(text) }
        #expect(error?.rule.contains("user:pass") != true)
    }

    @Test(arguments: [
        ("http://localhost", true), ("http://a.localhost", true), ("http://127.8.9.1", true), ("http://[::1]", true),
        ("http://127.0.0.1.example.org", false), ("http://example.org", false), ("http://128.0.0.1", false),
        ("http://127.0.1", false), ("http://127.0.0.256", false),
    ])
    func loopback(text: String, isLoopback: Bool) throws {
        #expect(try HTTPURL(text).isLoopback == isLoopback)
    }

    @Test func otherPeoplesWordsAreShownOnOneLine() {
        #expect(onOneLine("a\r\n\u{1B}[1mb\u{202E}c\td") == "a   [1mb c d")
        #expect(onOneLine(String(repeating: "é", count: 400), limit: 3) == "ééé…")
        // By bytes: an accent that joins a secret's last letter does not save it.
        let mask = SecretMask(["a hush", "hush-hush"])
        #expect(onOneLine("say a hush-hush\u{301} or a hush", hiding: mask, limit: 13) == "say ***\u{301} or *…")
    }

    @Test func hostKeysAreRead() {
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO8k+0gVS2HM4zvpR7D0ffNC/jTJwaT8u5pUG2JEVFqu a comment"
        let key = SSHPublicKey(line: line)
        #expect(key?.algorithm == "ssh-ed25519")
        #expect(key?.blob.count == 51)
        for wrong in [
            "", "ssh-ed25519", "ssh-rsa " + line.dropFirst(12), "ssh-ed25519 AAAA", "ssh-ed25519 ?", "x " + line,
        ] {
            #expect(SSHPublicKey(line: wrong) == nil, "\(wrong)")
        }
    }
}
