import LianModel
import LianRemote

/// What the engine behind the runner's buildctl can do.
struct RunnerEngine: Equatable, Sendable {
    let progress: BuildctlCommand.ProgressFormat
    /// Whether a registry cache keeps the steps of every stage: Docker's BuildKit carries its cache inside the image.
    let cachesAllStages: Bool

    init(_ tools: RunnerTools) {
        progress = tools.speaksRawJSON ? .rawjson : .plain
        cachesAllStages = tools.buildctl?.contains("docker") != true
    }
}
