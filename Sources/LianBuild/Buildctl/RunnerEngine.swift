import LianModel
import LianRemote

/// What the engine behind the runner's buildctl can do.
struct RunnerEngine: Equatable, Sendable {
    let progress: BuildctlCommand.ProgressFormat
    /// Whether a registry cache keeps the steps of every stage: Docker's BuildKit carries its cache inside the image.
    var cachesAllStages: Bool { !isDockers }
    /// Whether layers are compressed when the image is made: Docker does that while it pushes.
    var compressesLayers: Bool { !isDockers }
    private let isDockers: Bool

    init(_ tools: RunnerTools) {
        isDockers = tools.buildctl?.contains("docker") == true
        progress = tools.speaksRawJSON ? .rawjson : .plain
    }
}
