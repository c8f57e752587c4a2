import LianConfiguration
import LianHTTP
import LianModel
import LianNATS
import LianSystem

/// The events of one build, where the caller wants any. Nothing on this path can fail the build.
struct BuildEvents: Sendable {
    private let publisher: EventPublisher?
    private let origin: BuildEventOrigin
    private let timing: Timing
    private let begun: ContinuousClock.Instant

    /// How long the last flush gets, and before it the first connection.
    private static let second: Duration = .seconds(1)

    /// Begins to connect, beside whatever comes next.
    init(_ settings: EventsSettings?, of request: BuildRequest, buildID: String, timing: Timing) {
        publisher = settings.map(EventPublisher.init)
        origin = BuildEventOrigin(
            subjectPrefix: request.events?.subjectPrefix ?? NatsEventConfig.defaultSubjectPrefix,
            workspace: request.workspace, buildID: buildID, mode: request.mode, actor: request.actor)
        self.timing = timing
        begun = timing.now()
    }

    func send(_ event: BuildEvent, attempt: Int) {
        let time = UTCTime(milliseconds: timing.wallClock())
        publisher?.publish(event.cloudEvent(of: origin, attempt: attempt, time: time))
    }

    /// The last flush; nil where no events were wanted. It ends with destroying the runner or after one second,
    /// whichever is later. A connection that was never up has had its second since the build began to connect: a
    /// broker that does not answer delays only a build that is over sooner than that, and by what is left of it.
    func finish<Ignored: Sendable>(beside destroying: Task<Ignored, Never>) async -> EventsReport? {
        await publisher?.finish(
            firstConnectionBy: { [timing, begun] in
                let left = begun + Self.second - timing.now()
                if left > .zero { try? await timing.sleep(left) }
                _ = await destroying.value
            },
            giveUpAfter: { [timing] in
                try? await timing.sleep(Self.second)
                _ = await destroying.value
            })
    }
}

/// Where events go to, with the key's seed read.
struct EventTarget: Sendable {
    let settings: EventsSettings?
    let warnings: [BuildWarning]

    /// A seed that cannot be read costs the events, never the build.
    static func read(_ request: BuildRequest, environment: [String: String], http: HTTPClient) async -> EventTarget {
        guard let events = request.events else { return EventTarget(settings: nil, warnings: []) }
        var settings = EventsSettings(url: events.url, caFile: events.caFile)
        switch events.seed {
        case nil: break
        case .value(let seed): settings.nkeySeed = seed
        case .at(let source):
            do {
                let reader = SecretReader(environment: environment, http: http)
                settings.nkeySeed = try await reader.line(at: source, "the nkey seed")
            } catch {
                let reason = LianError(error, in: .resolve).message
                return EventTarget(
                    settings: nil, warnings: [BuildWarning(.eventsKeyInvalid, "no event is sent: \(reason)")])
            }
        }
        return EventTarget(settings: settings, warnings: [])
    }
}
