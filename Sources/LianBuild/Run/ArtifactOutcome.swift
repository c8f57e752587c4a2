import LianModel

/// What the build of one artifact came to.
struct ArtifactOutcome: Sendable {
    var status: ArtifactResult.Status
    var digest: String?
    /// nil where it was not built.
    var pushed: Bool?
    var steps: StepCount?
    var durationMS: Int?
    /// The time of the steps that ran, over all tries.
    var executedMS = 0
    var metadata: JSONValue?
    /// What a check of its Dockerfile found; nil where none was asked for.
    var checks: [CheckFinding]?
    /// What was brought to the caller.
    var outputs: [OutputResult] = []
    var error: LianError?
    var oom: OOMVerdict?
    /// What filled the runner's disk; nil where it was not full.
    var diskFill: DiskFill?
    /// Whether a larger runner may be enough.
    var ranOut: Bool { oom != nil || diskFill != nil }
    var exitCode: Int?
}
