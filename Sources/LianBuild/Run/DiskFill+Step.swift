import LianBuildKit
import LianModel

extension DiskFill {
    /// What filled the disk of a run whose end was lost: the step that failed of it, else the one that still ran.
    init(endLostAfter log: BuildLogReader) {
        self.init(step: log.buildFailure.step ?? log.steps.last { $0.state == .running }?.name)
    }

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
