import LianModel
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

    func write<Result>(_ body: (inout Entries) -> sending Result) -> sending Result {
        entries.withLock { entries in body(&entries) }
    }

    var envelope: ResultEnvelope { write(\.envelope) }
}
