import LianConfiguration
import LianModel
import LianSystem

/// What a build takes from the outside: passed in, never reached for, so that each test has its own.
package struct Surroundings: Sendable {
    package let environment: [String: String]
    package let workingFolder: WorkingFolder
    package let installation: Installation?
    package let reporter: any BuildReporter
    package let standardInput: StandardInput
    package let timing: Timing
    /// The span that the runner's engine works for, as TRACEPARENT says it; nil where no trace is kept.
    package let traceParent: String?

    package init(
        environment: [String: String], workingFolder: WorkingFolder, installation: Installation?,
        reporter: any BuildReporter, standardInput: StandardInput = StandardInput(), timing: Timing = .system,
        traceParent: String? = nil
    ) {
        self.environment = environment
        self.workingFolder = workingFolder
        self.installation = installation
        self.reporter = reporter
        self.standardInput = standardInput
        self.timing = timing
        self.traceParent = traceParent
    }

    package func milliseconds(since start: ContinuousClock.Instant) -> Int {
        (timing.now() - start).milliseconds
    }
}
