import LianConfiguration
import LianHTTP
import LianModel
import LianNATS
import LianSystem

/// Where the orchestrator's own events go, as the configuration says.
package struct EventsPlan: Equatable, Sendable {
    let url: String
    let subjectPrefix: String
    let nkey: SecretSource?

    package init(_ config: NatsEventConfig, in folder: String) {
        url = config.url
        subjectPrefix = config.subjectPrefix ?? NatsEventConfig.defaultSubjectPrefix
        nkey = config.nkey?.source.beginning(in: folder)
    }

    /// For a person, without credentials.
    var told: String {
        let server = (try? NATSURL(url))?.origin ?? "NATS"
        return "\(LeakingRunner.subject(prefix: subjectPrefix)) at \(server)"
    }

    func settings(_ environment: [String: String]) async throws -> EventsSettings {
        guard let nkey else { return EventsSettings(url: url) }
        let reader = SecretReader(environment: environment, http: try HTTPClient())
        return EventsSettings(url: url, nkeySeed: try await reader.line(at: nkey, "the nkey seed"))
    }
}

/// Publishes the orchestrator's own events. One connection serves them all, and waits for them; what NATS does not take
/// neither delays nor fails anything.
final class OrchestratorEvents: Sendable {
    private let publisher: EventPublisher
    private let subjectPrefix: String
    private let orchestrator: String
    private let log: EventLog
    private let timing: Timing

    private static let patience: Duration = .seconds(30)

    init(
        _ settings: EventsSettings, subjectPrefix: String, orchestrator: String, log: EventLog,
        timing: Timing = .system
    ) {
        publisher = EventPublisher(settings)
        self.subjectPrefix = subjectPrefix
        self.orchestrator = orchestrator
        self.log = log
        self.timing = timing
    }

    /// Also where NATS does not take it, there is a line of it in the log.
    func tell(_ leak: LeakingRunner) {
        let time = UTCTime(milliseconds: timing.wallClock())
        publisher.publish(leak.cloudEvent(subjectPrefix: subjectPrefix, orchestrator: orchestrator, time: time))
        Task {
            let end = timing.now() + Self.patience
            while publisher.report().failed > 0, timing.now() < end { try await timing.sleep(.milliseconds(200)) }
            complain()
        }
    }

    /// Before the end of the process.
    func finish() async {
        _ = await publisher.finish(within: .seconds(1), timing: timing)
        complain()
    }

    private func complain() {
        let report = publisher.report()
        guard report.failed > 0 else { return }
        for warning in report.warnings { log.warning(warning.code.rawValue, warning.message) }
    }
}
