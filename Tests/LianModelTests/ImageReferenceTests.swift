import LianModel
import Testing

@Suite struct ImageReferenceTests {
    @Test(arguments: [
        ("localhost:5000/acme/app:1.0", "localhost:5000", "acme/app", "1.0", String?.none),
        ("ghcr.io/a/b", "ghcr.io", "a/b", nil, nil),
        ("[::1]:5000/app:x", "[::1]:5000", "app", "x", nil),
        ("reg:443/app@\(sha)", "reg:443", "app", nil, sha),
        ("localhost/app:1@\(sha)", "localhost", "app", "1", sha),
    ])
    func isTakenApart(text: String, host: String, repository: String, tag: String?, digest: String?) throws {
        let reference = try #require(ImageReference(text))
        #expect(reference.host == host)
        #expect(reference.repository == repository)
        #expect(reference.tag == tag)
        #expect(reference.digest == digest)
        #expect(reference.name == "\(host)/\(repository)")
        #expect(reference.description == text)
        #expect(reference.json == .string(text))
    }

    @Test(arguments: [
        "app", "acme/app:1", "/app", "localhost/", "localhost", "", "ghcr.io/App", "ghcr.io/app:", "ghcr.io/app@",
    ])
    func isNoReference(text: String) {
        #expect(ImageReference(text) == nil)
    }
}

private let sha = "sha256:" + String(repeating: "0a", count: 32)
