import LianBuild
import LianSystem

/// The forms of stderr.
package enum ProgressForm: String, CaseIterable, Sendable {
    case auto, tty, plain, json, quiet
}

/// Shows a build on stderr. The terminal's form needs a terminal that moves its cursor; elsewhere it is plain.
func makeReporter(
    _ form: ProgressForm, to stderr: StandardError, environment: [String: String]
) -> any BuildReporter {
    switch form {
    case .auto, .tty:
        let terminal = TerminalLook(environment: environment)
        if let terminal, stderr.isTerminal, let reporter = try? TerminalReporter(stderr, terminal) { return reporter }
        return PlainReporter(stderr, folding: LogFolds(environment: environment))
    case .plain: return PlainReporter(stderr, folding: LogFolds(environment: environment))
    case .json: return JSONReporter(stderr)
    case .quiet: return QuietReporter(stderr)
    }
}
