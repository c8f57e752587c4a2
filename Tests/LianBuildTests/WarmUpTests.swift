import Foundation
import LianChannel
import LianHTTP
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianBuild

/// What the runner is asked to fetch.
@Suite struct WarmUpTests {
    private func artifacts(_ fixture: RequestFixture, _ dockerfile: String, _ flags: [String]) throws
        -> [ArtifactRequest]
    {
        try dockerfile.write(toFile: "\(fixture.folder)/app/Dockerfile", atomically: true, encoding: .utf8)
        return [try fixture.artifact(flags)]
    }

    @Test func imagesByPlatform() async throws {
        try await withRequestFixture { fixture in
            let dockerfile = """
                FROM --platform=$BUILDPLATFORM golang AS build
                FROM reg.example/team/app:1 AS before
                FROM --platform=linux/arm64 reg.example/base
                COPY --from=build / /
                COPY --from=tool / /
                COPY --from=before / /
                """
            let artifacts = try artifacts(fixture, dockerfile, ["--platforms", "linux/amd64,linux/arm64"])
            #expect(
                WarmUp.solves(for: artifacts + artifacts) == [
                    .init(platforms: ["linux/arm64"], images: ["reg.example/base"]),
                    .init(platforms: ["linux/amd64", "linux/arm64"], images: ["tool"]), .init(images: ["golang"]),
                ])
        }
    }

    /// One of each registry that no image comes from.
    @Test func caches() async throws {
        try await withRequestFixture { fixture in
            let caches = ["one.example/a:1", "two.example/a:1", "one.example/b:1", "three.example/a:1"]
            let artifacts = try artifacts(
                fixture, "FROM three.example/base\n", caches.flatMap { ["--cache-from", $0] })
            #expect(
                WarmUp.solves(for: artifacts) == [
                    .init(images: ["three.example/base"]), .init(caches: ["one.example/a:1", "two.example/a:1"]),
                ])
        }
    }

    @Test func nothing() async throws {
        try await withRequestFixture { fixture in
            for dockerfile in ["FROM scratch\n", "no Dockerfile"] {
                var artifacts = try artifacts(fixture, dockerfile, [])
                artifacts[0].cacheFrom = []
                #expect(WarmUp.solves(for: artifacts).isEmpty)
            }
        }
    }

    /// How many channels are opened.
    private func channels(
        _ fixture: RequestFixture, _ artifacts: [ArtifactRequest], transfers: Int = 1, isEnded: Bool = false,
        isThere: Bool = false
    ) async throws -> Int {
        let answer = try RunnerAnswer(
            JSONNode([
                "runner_id": "r", "workspace": "acme", "state": "ready", "host": "h", "user": "u", "work_dir": "/w",
            ]))
        let request = try fixture.build()
        let secrets = try await BuildSecrets.read(request, environment: [:], http: try HTTPClient())
        let warmUp = WarmUp(
            artifacts, contextBytes: 0, registry: request.registry, secrets: secrets,
            timing: isThere ? .endless : SkippedTime().timing)
        let host = ClosedHost()
        if isEnded { warmUp.end() }
        let task = warmUp.begin(on: host, of: try ReadyRunner(answer), besides: transfers)
        if isThere { warmUp.contextIsThere() }
        await task?.value
        return host.count.withLock { $0 }
    }

    @Test func aLargeContextIsNotWaitedFor() {
        #expect(WarmUp.patience(forContextOf: (32 << 20) - 1) == .milliseconds(200))
        #expect(WarmUp.patience(forContextOf: 32 << 20) == .zero)
        #expect(WarmUp.patience(forContextOf: .max) == .zero)
    }

    @Test func noChannelWhereNothingIsToFetch() async throws {
        try await withRequestFixture { fixture in
            var nothing = try artifacts(fixture, "FROM scratch\n", [])
            nothing[0].cacheFrom = []
            #expect(try await channels(fixture, nothing) == 0)
            let something = try artifacts(fixture, "FROM base\n", [])
            #expect(try await channels(fixture, something) == 2)
            // The builds themselves will want those that a server has.
            #expect(try await channels(fixture, Array(repeating: something[0], count: 7)) == 2)
            #expect(try await channels(fixture, Array(repeating: something[0], count: 8)) == 0)
            #expect(try await channels(fixture, something, transfers: 6) == 2)
            #expect(try await channels(fixture, something, transfers: 7) == 0)
            #expect(try await channels(fixture, something, isEnded: true) == 0)
            #expect(try await channels(fixture, something, isThere: true) == 0)
        }
    }

    @Test func dockerfiles() {
        #expect(
            WarmUp.Solve(images: ["a:1", "b"]).dockerfile == """
                FROM scratch
                COPY --from=a:1 /.lian-warm-up* /
                COPY --from=b /.lian-warm-up* /

                """)
        #expect(WarmUp.Solve(caches: ["a/b:1"]).dockerfile == "FROM scratch\nWORKDIR /.lian-warm-up\n")
    }
}

private final class ClosedHost: RemoteHost {
    let count = Mutex(0)

    func execute(_ command: String) async throws -> any RemoteChannel {
        count.withLock { $0 += 1 }
        throw RemoteChannelClosed()
    }
}
