import LianModel
import LianRemote

/// What an attempt came to; whatever was never reached is nil.
struct AttemptFacts: Sendable {
    var error: LianError?
    var oom: OOMVerdict?
    /// What filled the runner's disk; nil where it was not full.
    var diskFill: DiskFill?
    var exitCode: Int?
    var results: [String: ArtifactOutcome] = [:]
    /// What depends on artifacts that ran out of memory or disk, in build order.
    var blocked: [String] = []
    var sentBytes: Int?
    /// How often a build was tried again because its registry had a bad moment.
    var registryRetries = 0
    var peaks = UsagePeaks()
    var timings = Timings()
    var phase: Phase = .spawn
    /// Whether the runner has a volume that was asked for.
    var hasVolume = false

    /// The exit code is that of the first artifact that failed.
    mutating func take(_ outcome: ArtifactOutcome) {
        exitCode = exitCode.map { $0 == 0 ? outcome.exitCode ?? 0 : $0 } ?? outcome.exitCode
        oom = oom ?? outcome.oom
        diskFill = diskFill ?? outcome.diskFill
    }

    /// How the runner's volume is to be kept; nil where it is not. What a failed step left is worth having in a session,
    /// where the next build is the same one, mended. After any other failure nobody knows in which state the engine is.
    func keepRequest(for owner: CacheOwner) -> KeepRequest? {
        let errors = results.values.map(\.error) + [error]
        let failures = Set(errors.compactMap { $0?.code })
        guard oom == nil, failures.isSubset(of: [.buildFailed, .pushFailed, .outputFailed]) else { return nil }
        if !failures.isEmpty, owner == .ci { return nil }
        return KeepRequest(
            outcome: failures.isEmpty ? .succeeded : .failed,
            executedMS: results.values.reduce(0) { $0.upToLargest(adding: $1.executedMS) })
    }

    /// The size for another attempt, where this one had too little of something that a larger tier has more of.
    func larger(than sizing: Sizing, in ladder: TierLadder) -> Sizing? {
        if oom != nil { return sizing.nextTier(in: ladder) }
        return diskFill.flatMap { _ in sizing.nextTierWithMoreDisk(in: ladder) }
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
