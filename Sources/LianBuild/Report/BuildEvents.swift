import LianHTTP
import LianModel
import LianNATS
import LianSystem

/// The events of one build, where the caller wants any. Nothing on this path can fail the build.
struct BuildEvents: Sendable {
    private let publisher: EventPublisher?
    private let origin: BuildEventOrigin
    private let timing: Timing

    /// Begins to connect, beside whatever comes next.
    init(_ settings: EventsSettings?, of request: BuildRequest, buildID: String, timing: Timing) {
        publisher = settings.map(EventPublisher.init)
        origin = BuildEventOrigin(
            subjectPrefix: request.events?.subjectPrefix ?? NatsEventConfig.defaultSubjectPrefix,
            workspace: request.workspace, buildID: buildID, mode: request.mode, actor: request.actor)
        self.timing = timing
    }

    func send(_ event: BuildEvent, attempt: Int) {
        let time = UTCTime(milliseconds: timing.wallClock())
        publisher?.publish(event.cloudEvent(of: origin, attempt: attempt, time: time))
    }

    /// The last flush; nil where no events were wanted.
    func finish(giveUpAfter limit: @escaping @Sendable () async -> Void) async -> EventsReport? {
        await publisher?.finish(giveUpAfter: limit)
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
                    settings: nil, warnings: [BuildWarning("events_key_invalid", "no event is sent: \(reason)")])
            }
        }
        return EventTarget(settings: settings, warnings: [])
    }
}
