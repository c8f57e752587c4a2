import LianBuild
import LianModel
import LianSystem

/// Errors only.
struct QuietReporter: BuildReporter {
    private let stderr: StandardError

    init(_ stderr: StandardError) {
        self.stderr = stderr
    }

    func report(_ event: ProgressEvent) {
        guard case .ended(let envelope) = event, let error = envelope.error else { return }
        for line in errorLines(error) { stderr.line(line) }
    }
}
