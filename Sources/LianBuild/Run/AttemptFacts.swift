import LianModel
import LianRemote

/// What an attempt came to; whatever was never reached is nil.
struct AttemptFacts: Sendable {
    var error: LianError?
    var oom: OOMVerdict?
    var exitCode: Int?
    var results: [String: ArtifactOutcome] = [:]
    var sentBytes: Int?
    var peaks = UsagePeaks()
    var timings = Timings()
    var phase: Phase = .spawn

    /// The exit code is that of the first artifact that failed.
    mutating func take(_ outcome: ArtifactOutcome) {
        exitCode = exitCode.map { $0 == 0 ? outcome.exitCode ?? 0 : $0 } ?? outcome.exitCode
        oom = oom ?? outcome.oom
    }

    var attemptOutcome: AttemptOutcome {
        switch (oom, error?.code) {
        case (_?, _): .oom
        case (nil, nil): .succeeded
        case (nil, .timeBudgetExceeded?): .timedOut
        case (nil, .cancelled?): .cancelled
        default: .failed
        }
    }
}
