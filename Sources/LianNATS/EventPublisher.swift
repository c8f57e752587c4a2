import LianModel
import LianSystem
import Synchronization

/// Sends the events of one build to a NATS server, in order, as soon as a connection is up. It works on a thread of its
/// own beside the build, which it neither delays nor fails.
package final class EventPublisher: Sendable {
    private let outbox: Outbox

    /// Begins to connect. Unusable settings lead to a warning in the report.
    package init(_ settings: EventsSettings) {
        outbox = Self.begin(settings)
    }

    private static func begin(_ settings: EventsSettings) -> Outbox {
        do {
            let target = try Target(settings)
            let outbox = try Outbox(server: target.url.description)
            try startThread { Courier(target: target, outbox: outbox).run() }
            return outbox
        } catch let unusable as UnusableSettings {
            return Outbox(closedFor: unusable.warning)
        } catch {
            return Outbox(
                closedFor: BuildWarning(.eventsUnavailable, "events cannot be sent from here: \(error)"))
        }
    }

    /// Accepts the event; it is sent when the connection is up.
    package func publish(_ event: CloudEvent) {
        outbox.put(event)
    }

    /// Waits until the server has confirmed all events, at most until `limit` returns. If no connection was ever up, it
    /// waits for the outcome of one try to connect, at most until `firstLimit` returns. To be called once, after the
    /// last event.
    package func finish(
        firstConnectionBy firstLimit: @escaping @Sendable () async -> Void,
        giveUpAfter limit: @escaping @Sendable () async -> Void
    ) async -> EventsReport {
        outbox.beginFinishing()
        let timers = [
            Task {
                await firstLimit()
                if !outbox.wasEverUp { outbox.close() }
            },
            Task {
                await limit()
                outbox.close()
            },
        ]
        await outbox.waitUntilClosed()
        for timer in timers { timer.cancel() }
        return outbox.report()
    }

    /// What became of the events so far.
    package func report() -> EventsReport { outbox.report() }

    package func finish(within duration: Duration, timing: Timing = .system) async -> EventsReport {
        let limit: @Sendable () async -> Void = { try? await timing.sleep(duration) }
        return await finish(firstConnectionBy: limit, giveUpAfter: limit)
    }
}

private struct UnusableSettings: Error {
    let warning: BuildWarning
}

/// The settings after they were read and checked.
struct Target: Sendable {
    let url: NATSURL
    let nkey: NKey?
    /// Additional trusted authorities as PEM; nil where only the system's are trusted.
    let authorities: String?

    private static let authoritiesLimit = 1 << 20

    init(_ settings: EventsSettings) throws {
        do {
            url = try NATSURL(settings.url)
        } catch {
            throw UnusableSettings(
                warning: BuildWarning(.eventsURLInvalid, "no event is sent: the NATS URL \(error.rule)"))
        }
        do {
            nkey = try settings.nkeySeed.map { seed throws(NKey.Invalid) in try NKey(seed: seed) }
        } catch {
            throw UnusableSettings(
                warning: BuildWarning(.eventsKeyInvalid, "no event is sent: the nkey seed cannot be used: \(error)"))
        }
        do {
            // Read here because libnats would open whatever is there, even what it has to wait for.
            authorities = try settings.caFile.map { file throws(FileReadFailure) in
                try readText(file, limit: Self.authoritiesLimit)
            }
        } catch {
            throw UnusableSettings(
                warning: BuildWarning(
                    .eventsUnavailable, "no event is sent: \(settings.caFile ?? "") cannot be read: \(error.reason)"))
        }
    }
}
