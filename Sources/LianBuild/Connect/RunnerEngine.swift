import LianModel
import LianRemote

/// What the engine behind the runner's buildctl can do, told from the first line of `buildctl --version`.
struct RunnerEngine: Equatable, Sendable {
    let progress: BuildctlCommand.ProgressFormat
    /// Whether a registry cache keeps the steps of every stage.
    let cachesAllStages: Bool

    /// `buildctl github.com/moby/buildkit v0.16.0 COMMIT`, or the program that drives Docker's BuildKit in its place.
    init(version: String?) {
        let words = (version ?? "").split(separator: " ")
        let isBuildKit = words.contains { $0.hasPrefix("github.com/moby/buildkit") }
        // Debian and others print a bare number, and are BuildKit all the same; what says it is Docker's is not.
        let isDocker = !isBuildKit && (version ?? "").lowercased().contains("docker")
        cachesAllStages = !isDocker
        progress = !isDocker && words.contains(where: Self.speaksRawJSON) ? .rawjson : .plain
    }

    /// rawjson came with BuildKit 0.13.
    private static func speaksRawJSON(_ word: Substring) -> Bool {
        let numbers = word.drop { $0 == "v" }.split { $0 == "." || $0 == "-" || $0 == "+" }.prefix(2).compactMap {
            Int($0)
        }
        return numbers.count == 2 && word.first.map { $0 == "v" || $0.isNumber } == true
            && (numbers[0] > 0 || numbers[1] >= 13)
    }
}
