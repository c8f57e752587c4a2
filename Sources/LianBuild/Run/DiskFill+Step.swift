import LianBuildKit
import LianModel

extension DiskFill {
    /// What fills a disk in this step of a build; layers where no step is known.
    init(step: String?) {
        guard let step else {
            self = .layers
            return
        }
        let hasCacheMounts = step.contains("--mount=type=cache")
        self = BuildStep.isExport(step) ? .export : hasCacheMounts ? .cacheMounts : .layers
    }
}
