import Foundation
import LianModel
import LianTestSupport

@testable import LianHTTP
@testable import LianRegistry

/// What a registry answers: challenges, manifests, refusals and where it sends one on.
enum RegistryFuzz {
    /// Whatever its values are, a challenge that is written by the rules is read as it was meant; any other one is read
    /// somehow.
    static func challenges(_ random: inout SeededGenerator) throws {
        let values = ["realm", "service", "scope"].map { ($0, word(&random)) }
        let list = values.map { "\($0.0)=\(quoted($0.1))" }.joined(separator: random.pick([",", ", ", " ,\t"]))
        let others = ["", "Basic realm=\(quoted(word(&random))), ", "Negotiate abc==, ", "Digest qop=\"a,b\", "]
        let text = "\(random.pick(others))Bearer \(list)"
        try check(
            AuthChallenge(text) == .bearer(realm: values[0].1, service: values[1].1, scope: values[2].1),
            Array(text.utf8), "\(String(describing: AuthChallenge(text)))")
        _ = AuthChallenge(String(decoding: bent(Array(text.utf8), &random), as: UTF8.self))
    }

    private static func word(_ random: inout SeededGenerator) -> String {
        let count = Int.random(in: 0...12, using: &random)
        let bytes = (0..<count).map { _ in UInt8.random(in: 0x20...0x7E, using: &random) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func quoted(_ text: String) -> String {
        "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }

    /// What is taken for a manifest can be put into an index, which is read as what was written.
    static func manifests(_ random: inout SeededGenerator) throws {
        let bytes = bent(Array(random.pick(manifests).utf8), &random)
        let type = random.pick([nil, "text/plain", ImageManifest.ociIndex, ImageManifest.dockerImage])
        guard let manifest = ImageManifest(answered: type, bytes: bytes) else { return }
        let part = ImageIndex.Part(manifest, platform: "linux/amd64/v2", annotations: ["a.b": "c"])
        guard let index = try? ImageIndex.make(of: [part, part], annotations: ["d": "e"]) else { return }
        let members = (try? JSONValue.parse(index.bytes))?["manifests"]?.arrayValue ?? []
        try check(ImageManifest(answered: nil, bytes: index.bytes) == index && index.isIndex, bytes, "\(index)")
        try check(
            !members.isEmpty && members.allSatisfy { $0["digest"]?.stringValue.map(ImageReference.isDigest) == true },
            bytes, "\(members)")
    }

    private static let digest = "sha256:" + String(repeating: "a", count: 64)
    private static let manifests = [
        """
        {"schemaVersion":2,"mediaType":"\(ImageManifest.ociIndex)","manifests":[
        {"mediaType":"\(ImageManifest.dockerImage)","digest":"\(digest)","size":7,
        "platform":{"os":"linux","architecture":"386"},"annotations":{"a":"b"}}]}
        """,
        """
        {"schemaVersion":2,"mediaType":"\(ImageManifest.dockerImage)","config":{"digest":"\(digest)","size":1},
        "layers":[{"digest":"\(digest)","size":1}]}
        """,
    ]

    /// No words of a registry's show a secret, leave their line or go on for ever.
    static func refusals(_ random: inout SeededGenerator) throws {
        let secret = "pass-of-ada"
        let answer = #"{"errors":[{"code":"DENIED","message":"no \#(secret)\u001b[2J","detail":1}]}"#
        let body = bent(Array(answer.utf8), &random)
        let response = HTTPResponse(
            status: random.pick([401, 403, 429, 500, 0, -1, .max]), headers: [:], body: body,
            retryAfter: .seconds(Int(Int32.max)))
        guard let server = try? HTTPURL("https://reg.example") else { return }
        let failure = RegistryFailure(server, response, hiding: SecretMask([secret]))
        try check(
            !failure.reason.contains(secret) && failure.reason.utf8.allSatisfy { $0 >= 0x20 }
                && failure.reason.count < 500, body, failure.reason)
    }

    /// What leads on to another server names one, and nothing of a login.
    static func places(_ random: inout SeededGenerator) throws {
        let bytes = bent(Array(random.pick(places).utf8), &random)
        guard let here = try? HTTPURL("https://reg.example:5000/v2"),
            let (server, query) = RegistryClient.place(String(decoding: bytes, as: UTF8.self), seenFrom: here)
        else { return }
        try check((try? HTTPURL(server.description)) == server && !server.origin.contains("@"), bytes, "\(server)")
        try check(query.isEmpty || query.hasPrefix("?"), bytes, query)
        // What libcurl is given names the same server.
        let read = URLComponents(string: server.description + query)
        let host = read?.host?.lowercased().filter { !"[]".contains($0) }
        try check(read == nil || host == server.host, bytes, "\(server)\(query)")
    }

    private static let places = [
        "https://blobs.example/a/b?X-Amz-Signature=1&b=c", "/v2/app/manifests/1?ns=docker.io", "//other.example:443/x",
        "http://[::1]:5000/token", "HTTPS://User:Pass@Reg.example/", "https://reg.example/a/../../b#c", "../x",
    ]
}
