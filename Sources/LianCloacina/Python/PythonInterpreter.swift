import LianModel
import LianSystem

/// The interpreter that parses the project's source and runs pip. It never gets the user's code to run.
package struct PythonInterpreter: Sendable {
    package let path: String
    private let surroundings: Surroundings

    /// `given` is a path, or a name on PATH.
    package init(_ given: String?, _ surroundings: Surroundings) throws(CloacinaError) {
        let wanted = given ?? "python3"
        let name = wanted.contains("/") ? surroundings.path(wanted) : wanted
        guard let path = findExecutable(name, path: surroundings.environment["PATH"]) else {
            throw CloacinaError(
                .pythonMissing, .discovery, "there is no program '\(wanted)'",
                hint: "Install Python 3.8 or newer, or name it with --python PATH or CLOACA_PYTHON.")
        }
        self.path = path
        self.surroundings = surroundings
    }

    /// What runs with these arguments. Variables that change what the interpreter itself does are not passed on; those of
    /// pip are.
    package func command(_ arguments: [String]) -> Command {
        Command(
            path, arguments, environment: surroundings.environment.filter { !$0.key.hasPrefix("PYTHON") })
    }

    /// Runs a script of ours, apart from everything that is installed.
    package func run(script: String, input: [UInt8]) async throws(CloacinaError) -> [UInt8] {
        let result: SubprocessResult
        do {
            result = try await LianSystem.run(
                command(["-I", "-S", "-c", script]), input: .bytes(input), deadline: Self.longestParse,
                outputLimit: Self.longestAnswer)
        } catch {
            switch error {
            case .couldNotStart(let reason): throw failure("cannot be started: \(reason)")
            case .timedOut: throw failure("took longer than \(Self.longestParse.components.seconds) s for the source")
            case .tooMuchOutput: throw failure("answered more than \(Self.longestAnswer) bytes for the source")
            case .cancelled: throw surroundings.stop.error ?? failure("was ended")
            }
        }
        guard result.termination.isSuccess else {
            let said = result.errorText.split(separator: "\n").last.map { ": \($0)" } ?? ""
            throw failure("ended by \(result.termination)\(said)")
        }
        return result.output
    }

    package func failure(_ what: String) -> CloacinaError {
        CloacinaError(
            .pythonFailed, .discovery, onOneLine("\(path) \(what)"),
            hint: "Name a CPython of 3.8 or newer with --python PATH or CLOACA_PYTHON.")
    }

    private static let longestParse: Duration = .seconds(30)
    private static let longestAnswer = 16 << 20
}
