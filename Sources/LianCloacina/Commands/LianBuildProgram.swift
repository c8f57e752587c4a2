import Glibc
import LianModel
import LianSystem

/// `lian-build`, run as anyone runs it: what it says to people goes to stderr, its one line of result is read.
struct LianBuildProgram: Sendable {
    private let path: String
    private let surroundings: Surroundings

    /// The one on PATH, else the one that was installed beside this program.
    init(_ surroundings: Surroundings) throws(CloacinaError) {
        let here = realPath("/proc/self/exe").map { "\(parentFolder($0))/\(Self.name)" }
        let onPath = findExecutable(Self.name, path: surroundings.environment["PATH"])
        guard let path = onPath ?? here.flatMap({ findExecutable($0, path: nil) }) else {
            throw CloacinaError(
                .lianBuildMissing, .compile, "there is no \(Self.name), which has the crate compiled on a runner",
                hint: "Install it, or put it on PATH.")
        }
        self.path = path
        self.surroundings = surroundings
    }

    /// Builds by this Dockerfile, and returns the result. A build that failed is an error of ours. Files of its own go
    /// into the folder.
    func build(
        _ arguments: [String], dockerfile: String, in folder: String, isQuiet: Bool
    ) throws(CloacinaError) -> JSONValue {
        let input = "\(folder)/Dockerfile"
        let output = "\(folder)/result.json"
        let ending: Termination
        do throws(SystemError) {
            try writeFile(input, dockerfile)
            try writeFile(output, "")
            let read = try Self.open(input, O_RDONLY)
            let written = try Self.open(output, O_WRONLY)
            ending = try runAttached(
                Command(
                    path, arguments, environment: surroundings.environment,
                    workingDirectory: surroundings.workingFolder),
                streams: StandardStreams(
                    input: read.raw, output: written.raw, error: isQuiet ? nil : STDERR_FILENO),
                surroundings.stop, patience: Self.longestGoodbye)
        } catch {
            throw failure(.lianBuildFailed, "cannot be run: \(error)")
        }
        try surroundings.stop.check()
        let text = (try? readFile(output, limit: Self.longestResult)) ?? []
        guard let result = try? JSONValue.parse(text), result["schema"]?.stringValue == Self.schema else {
            throw failure(.lianBuildFailed, "ended with \(ending.words) and without a result")
        }
        guard !ending.isSuccess else { return result }
        throw failure(ending, result)
    }

    private func failure(_ ending: Termination, _ result: JSONValue) -> CloacinaError {
        let code: CloacinaCode =
            switch ending {
            // A build that failed, or ran out of memory or disk.
            case .exited(1), .exited(5): .cargoFailed
            case .exited(2): .remoteInvalid
            case .exited(3), .exited(4): .remoteFailed
            case .exited(6): .timedOut
            default: .lianBuildFailed
            }
        let theirs = result["error"]
        let message = theirs?["message"]?.stringValue ?? "ended with \(ending.words)"
        let name = theirs?["code"]?.stringValue.map { " (\($0))" } ?? ""
        return failure(code, "\(onOneLine(message))\(onOneLine(name))", hint: theirs?["hint"]?.stringValue)
    }

    private func failure(_ code: CloacinaCode, _ what: String, hint: String? = nil) -> CloacinaError {
        CloacinaError(
            code, .compile, "\(Self.name): \(what)",
            hint: hint.map { onOneLine($0) } ?? "Look at what it says above; \(path) --version shows which one it is.")
    }

    private static func open(_ path: String, _ flags: Int32) throws(SystemError) -> FileDescriptor {
        let descriptor = Glibc.open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError("open \(path)") }
        return FileDescriptor(owning: descriptor)
    }

    private static let name = "lian-build"
    private static let schema = "lian-build/result/v1"
    private static let longestResult = 4 << 20
    /// A build that is ended has its runner destroyed first.
    private static let longestGoodbye: Duration = .seconds(120)
}
