import Foundation
import LianTestSupport
import Testing

/// The fault matrix: each row is a test whose name begins with its number, so that scripts/faults can print them as a
/// table. All drive the real lian-build, mostly against an orchestrator and an engine that are scripts, and always
/// against a real sshd and a real NATS server.
@Suite(.staged, .needsNATSServer)
enum Faults {}

/// What all cases share.
struct Stage: Sendable {
    let nats: NATSServer
    let events: NATSSubscriber
    /// Cases that work, and do not only wait, would slow each other down.
    let turnstile = Turnstile(width: 2 * ProcessInfo.processInfo.activeProcessorCount)
    let watch: ProcessWatch
    private let slowness: Slowness

    @TaskLocal static var current: Stage?

    /// Publishers log in with an nkey; the subscriber that looks on does with a password.
    private static let configuration = """
        authorization {
          timeout: 30
          users: [
            { nkey: "\(NATSServer.userPublicKey)" }
            { user: "looker", password: "on" }
          ]
        }
        """

    static func with(_ body: @Sendable () async throws -> Void) async throws {
        try await withNATSServer(configuration) { nats in
            let events = try await NATSSubscriber(port: nats.port, login: "\"user\":\"looker\",\"pass\":\"on\"")
            defer { events.stop() }
            let watch = try ProcessWatch()
            defer { watch.stop() }
            let stage = Stage(nats: nats, events: events, watch: watch, slowness: try Slowness())
            try await $current.withValue(stage, operation: body)
        }
    }

    /// What takes no longer than that on a calm machine takes no longer than this here, with what ran since then.
    func allowing(_ time: Duration, since start: ContinuousClock.Instant) -> Duration {
        time * slowness.factor(since: start)
    }
}

/// Sets the stage once for all suites.
struct StageTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await Stage.with(function)
    }
}

extension Trait where Self == StageTrait {
    static var staged: StageTrait { StageTrait() }
}
