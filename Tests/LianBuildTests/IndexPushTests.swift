import LianHTTP
import LianModel
import LianRegistry
import LianSystem
import LianTestSupport
import Testing

@testable import LianBuild

/// One index of what several runners pushed, against registries that fail on the way.
@Suite struct IndexPushTests {
    private struct Nobody: BuildReporter {
        func report(_ event: ProgressEvent) {}
    }

    private static let parts = ["linux/amd64", "linux/386"].map { platform in
        let type = "application/vnd.oci.image.manifest.v1+json"
        let text = "{\"mediaType\":\"\(type)\",\"layers\":[],\"annotations\":{\"for\":\"\(platform)\"}}"
        return (platform: platform, manifest: ImageManifest(mediaType: type, bytes: Array(text.utf8)))
    }

    /// The push of an image with two tags to a registry that has what the runners pushed.
    private func push(
        to server: ScriptedHTTPServer, _ time: SkippedTime, in fixture: RequestFixture
    ) async throws -> IndexPush {
        for (_, manifest) in Self.parts {
            server.on(
                "GET", "/v2/acme/app/manifests/\(manifest.digest)",
                [.answer(200, manifest.bytes, headers: ["Content-Type": manifest.mediaType])])
        }
        let name = "127.0.0.1:\(server.port)/acme/app"
        let request = try fixture.build([
            "--image", "\(name):1", "--tag", "\(name):2", "--platforms", "linux/amd64,linux/386",
        ])
        let artifact = request.artifacts[0]
        return await IndexPush(
            artifact: artifact, image: try #require(artifact.image),
            parts: Self.parts.map { IndexPush.Part(platform: $0.platform, digest: $0.manifest.digest) },
            registry: request.registry, logins: [:], http: try HTTPClient(), journal: BuildJournal(Nobody()),
            timing: time.timing)
    }

    private func failure(of push: IndexPush) async -> LianError? {
        do {
            _ = try await push.run()
            return nil
        } catch {
            return error
        }
    }

    @Test func namesChangeLast() async throws {
        try await withRequestFixture { fixture in
            try await withScriptedHTTPServer { server in
                server.on("PUT", "/v2/acme/app/manifests/*", [.answer(201)])
                let pushed = try await push(to: server, SkippedTime(), in: fixture).run()
                let requests = server.requests("PUT", "/v2/acme/app/manifests/*")
                let names = requests.map { $0.path.split(separator: "/").last }
                #expect(names == [Substring(pushed.digest), "1", "2"])
            }
        }
    }

    /// It is said which names have the new index: nobody can take that back.
    @Test func aNameThatIsRefusedBehindOneThatWasNot() async throws {
        try await withRequestFixture { fixture in
            try await withScriptedHTTPServer { server in
                server.on("PUT", "/v2/acme/app/manifests/*") { request, _ in
                    .answer(request.path.hasSuffix("/2") ? 403 : 201)
                }
                let error = await failure(of: try await push(to: server, SkippedTime(), in: fixture))
                let name = "127.0.0.1:\(server.port)/acme/app"
                #expect(error?.code == .pushFailed)
                #expect(
                    error?.message
                        == "app was built for each platform, but its index was not pushed to \(name):2: "
                        + "\(server.url) answered 403; it is at \(name):1 already")
            }
        }
    }

    /// Nothing is asked of it for longer than a minute, and no name changes.
    @Test(arguments: [("20", 4, [30.0, 30, 30]), ("61", 1, [])])
    func aRegistryThatWantsToBeLeftAlone(seconds: String, tries: Int, pauses: [Double]) async throws {
        try await withRequestFixture { fixture in
            try await withScriptedHTTPServer { server in
                server.on("PUT", "/v2/acme/app/manifests/*", [.answer(429, headers: ["Retry-After": seconds])])
                let time = SkippedTime()
                let error = await failure(of: try await push(to: server, time, in: fixture))
                #expect(error?.code == .pushFailed)
                let asked = server.requests("PUT", "/v2/acme/app/manifests/*")
                #expect(asked.count == tries && asked.allSatisfy { $0.path.contains("/sha256:") })
                #expect(time.sleeps.map { $0.inSeconds.rounded() } == pauses)
            }
        }
    }
}
