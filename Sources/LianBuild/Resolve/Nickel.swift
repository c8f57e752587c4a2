import LianModel
import LianSystem

/// The Nickel evaluator as a subprocess: `nickel export --format json`.
package struct Nickel: Sendable {
    package let executable: String
    package let importPaths: [String]
    package let environment: [String: String]

    package static let deadline: Duration = .seconds(30)
    package static let outputLimit = 4 << 20
    package static let memoryLimit: UInt = 2 << 30

    /// What the evaluated files may see of the caller's environment: nothing that could hold a secret.
    private static let passedVariables = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "NICKEL_IMPORT_PATH"]

    package init(executable: String, importPaths: [String], environment: [String: String]) {
        self.executable = executable
        self.importPaths = importPaths
        self.environment = environment.filter { Self.passedVariables.contains($0.key) }
    }

    /// Finds `nickel` on the PATH.
    package static func find(
        installation: Installation?, importPaths: [String], environment: [String: String]
    ) throws(LianError) -> Nickel {
        guard let executable = findExecutable("nickel", path: environment["PATH"]) else {
            throw LianError(
                .nickelMissing, .resolve, "nickel is needed to read .ncl files and is not on PATH",
                hint: "Install nickel 1.10 or newer (nickel-lang.org), or give the directives as .json.")
        }
        // The folder above both as well: each holds a build_directives.ncl, and the second one found by that name alone
        // would be out of reach.
        let own = installation.map { [$0.schemas, $0.defaults, $0.share] } ?? []
        return Nickel(executable: executable, importPaths: own + importPaths, environment: environment)
    }

    package func arguments(exporting file: String) -> [String] {
        ["export", "--format", "json"] + importPaths.flatMap { ["--import-path", $0] } + [file]
    }

    package func export(_ file: String) async throws -> JSONValue {
        let command = Command(
            executable, arguments(exporting: file), environment: environment, addressSpaceLimit: Self.memoryLimit)
        let result: SubprocessResult
        do {
            result = try await run(command, deadline: Self.deadline, outputLimit: Self.outputLimit)
        } catch {
            throw failure(error, file)
        }
        guard result.termination.isSuccess else {
            throw LianError(
                .nickelFailed, .resolve, "nickel refused \(file)\(Self.ending(result.termination))",
                hint: "The diagnostic names the place; nickel export \(file) repeats it.",
                logTail: Self.lines(result.errorText))
        }
        do {
            return try JSONValue.parse(result.output)
        } catch {
            throw LianError(
                .nickelOutputInvalid, .resolve, "what nickel exported from \(file) is not JSON: \(error)",
                hint: "Is the nickel on PATH (\(executable)) the real one? nickel --version tells.",
                logTail: Self.lines(result.errorText))
        }
    }

    private func failure(_ failure: SubprocessFailure, _ file: String) -> any Error {
        switch failure {
        case .couldNotStart(let error):
            LianError(
                .nickelFailed, .resolve, "nickel could not be started: \(error)",
                hint: "\(executable) --version should work by itself.")
        case .timedOut:
            LianError(
                .nickelTimedOut, .resolve, "nickel did not finish \(file) within 30 seconds, and was ended",
                hint: "Does the file recurse without end? nickel export \(file) shows it.")
        case .tooMuchOutput:
            LianError(
                .nickelOutputTooLarge, .resolve, "nickel printed more than 4 MiB for \(file), and was ended",
                hint: "A directives file holds intent, not data; keep large values out of it.")
        case .cancelled: CancellationError()
        }
    }

    private static func ending(_ termination: Termination) -> String {
        switch termination {
        case .exited: ""
        case .signalled(let signal): " (ended by signal \(signal))"
        }
    }

    /// The diagnostic as Nickel drew it, at most a screenful or two.
    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).prefix(100).map(String.init)
    }
}
