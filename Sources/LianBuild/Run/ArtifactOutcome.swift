import LianModel

/// What the build of one artifact came to.
struct ArtifactOutcome: Sendable {
    var status: ArtifactResult.Status
    var digest: String?
    var steps: StepCount?
    var durationMS: Int?
    /// The time of the steps that ran, over all tries.
    var executedMS = 0
    var metadata: JSONValue?
    var error: LianError?
    var oom: OOMVerdict?
    var exitCode: Int?
}
