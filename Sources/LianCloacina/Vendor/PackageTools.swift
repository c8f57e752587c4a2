import LianModel
import LianSystem

/// pip, and uv where it is there: what resolves and fetches packages. They run in an empty folder, since Python takes
/// modules from the folder that it is started in.
struct PackageTools: Sendable {
    let interpreter: PythonInterpreter
    let uv: String?
    var stop: StopRequest { surroundings.stop }
    private let folder: String
    private let surroundings: Surroundings
    private let tellsAll: Bool
    private let mask: SecretMask

    /// `folder` is empty, and stays so.
    init(_ interpreter: PythonInterpreter, folder: String, tellsAll: Bool, _ surroundings: Surroundings) {
        self.interpreter = interpreter
        self.folder = folder
        self.tellsAll = tellsAll
        self.surroundings = surroundings
        uv = findExecutable("uv", path: surroundings.environment["PATH"])
        mask = SecretMask(
            surroundings.environment.filter { Self.isOfTools($0.key) }.values.flatMap(Self.passwords))
    }

    /// Of a probe nobody needs to see that it failed.
    func pip(_ arguments: [String], isProbe: Bool = false) async throws(CloacinaError) -> SubprocessResult {
        var command = interpreter.command(
            ["-m", "pip"] + arguments.prefix(1) + ["--disable-pip-version-check", "--no-input"]
                + arguments.dropFirst())
        command.environment.merge(pathsForHere) { $1 }
        let result = try await run(command, isProbe: isProbe)
        if !result.termination.isSuccess, try await isPipMissing() {
            throw CloacinaError(
                .pipMissing, .vendor, "\(interpreter.path) has no pip",
                hint: "Install it (Debian: python3-pip), or name another interpreter with --python PATH.")
        }
        return result
    }

    func uv(_ program: String, _ arguments: [String]) async throws(CloacinaError) -> SubprocessResult {
        try await run(
            Command(program, arguments, environment: surroundings.environment.merging(pathsForHere) { $1 }))
    }

    /// The last that a tool said, for a message. What it advises is for its own caller.
    func lastWords(_ result: SubprocessResult) -> String {
        let lines = mask.masked(result.errorText).split(separator: "\n").map { $0.drop { $0 == " " } }
        return onOneLine(String(lines.last { !$0.isEmpty && !$0.hasPrefix("hint:") } ?? "it said nothing"))
    }

    private func isPipMissing() async throws(CloacinaError) -> Bool {
        let probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pip') is None)"
        return try await run(interpreter.command(["-c", probe]), isProbe: true).termination == .exited(1)
    }

    private func run(_ command: Command, isProbe: Bool = false) async throws(CloacinaError) -> SubprocessResult {
        var command = command
        command.workingDirectory = folder
        let result: SubprocessResult
        do {
            // How long it may take is the caller's to say, for the whole command.
            result = try await LianSystem.run(command, deadline: nil, outputLimit: 64 << 20)
        } catch {
            if let stop = surroundings.stop.error { throw stop }
            throw interpreter.failure("could not have \(command.executable) run to its end: \(error)")
        }
        if tellsAll || !isProbe && !result.termination.isSuccess {
            for text in [result.outputText, result.errorText] {
                for line in mask.masked(text).split(separator: "\n") { surroundings.tell(String(line)) }
            }
        }
        return result
    }

    // MARK: The caller's variables

    private static func isOfTools(_ variable: String) -> Bool {
        variable.hasPrefix("PIP_") || variable.hasPrefix("UV_")
    }

    /// Variables whose words may be paths from the caller's folder, which is not the tools'.
    private static let pathVariables = [
        "PIP_FIND_LINKS", "PIP_CONSTRAINT", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_CONFIG_FILE", "UV_FIND_LINKS",
        "UV_CONSTRAINT", "UV_CONFIG_FILE",
    ]

    private var pathsForHere: [String: String] {
        var absolute: [String: String] = [:]
        for name in Self.pathVariables {
            guard let value = surroundings.environment[name] else { continue }
            absolute[name] = value.split(separator: " ").map { word in
                let path = surroundings.path(String(word))
                return word.contains("://") || fileKind(path) == nil ? String(word) : path
            }.joined(separator: " ")
        }
        return absolute
    }

    /// What stands before the @ of a URL's host.
    private static func passwords(in value: String) -> [String] {
        value.split(separator: " ").flatMap { word -> [String] in
            guard let start = word.firstRange(of: "://")?.upperBound else { return [] }
            let host = word[start...].prefix { $0 != "/" }
            guard let end = host.lastIndex(of: "@") else { return [] }
            let login = host[..<end].split(separator: ":", maxSplits: 1)
            return login.map(String.init)
        }
    }
}
