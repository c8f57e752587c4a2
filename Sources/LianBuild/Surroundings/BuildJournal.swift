import LianModel
import LianOrchestratorClient
import Synchronization

/// What a build says of itself: to its watcher as it happens, and in the envelope at its end.
final class BuildJournal: BuildReporter {
    struct Entries {
        var envelope = ResultEnvelope(status: .failed)
        /// What a report tells beside the envelope.
        var findings = BuildFindings()
        /// BuildKit's own metadata, by artifact.
        var metadata: [String: JSONValue] = [:]
    }

    private let reporter: any BuildReporter
    private let entries = Mutex(Entries())

    init(_ reporter: any BuildReporter) {
        self.reporter = reporter
    }

    func report(_ event: ProgressEvent) { reporter.report(event) }

    func drain(to backlog: Int) async { await reporter.drain(to: backlog) }

    func warn(_ code: WarningCode, _ message: String) { warn(BuildWarning(code, message)) }

    /// Gives a warning once, also where two attempts cause the same one.
    func warn(_ warning: BuildWarning) {
        let isNew = write { entries in
            guard !entries.envelope.warnings.contains(warning) else { return false }
            entries.envelope.warnings.append(warning)
            return true
        }
        if isNew { report(.warning(warning)) }
    }

    /// Takes whether the volume was kept, and says so.
    func take(_ outcome: KeepOutcome) {
        let volume = write { entries in
            entries.envelope.take(outcome)
            return entries.envelope.volume
        }
        guard let volume else { return }
        report(.volume(volume))
        let name = volume.name?.description ?? "the volume"
        switch outcome {
        case .answered(let answer):
            let isNews = ![.superseded, .notAsked].contains(answer.reason.flatMap(VolumeDiscardReason.init(rawValue:)))
            if !answer.kept, isNews {
                warn(.volumeNotKept, "\(name) is not kept: \(VolumeResult.discarding(answer.reason))")
            }
        case .refused(_, let said): warn(.volumeNotKept, "\(name) is not kept: \(said)")
        case .unknown(let said): warn(.volumeNotKept, "whether \(name) is kept is not known: \(said)")
        }
    }

    func write<Result>(_ body: (inout Entries) -> sending Result) -> sending Result {
        entries.withLock { entries in body(&entries) }
    }

    var envelope: ResultEnvelope { write(\.envelope) }
}
