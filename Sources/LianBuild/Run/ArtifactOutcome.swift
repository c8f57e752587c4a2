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
    var error: LianError?
    var oom: OOMVerdict?
    var exitCode: Int?
}
