import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// One run of the real program.
struct ProgramRun: Sendable {
    let status: Int32
    let output: String
    let errors: String

    /// The one line of stdout; nil where there is not exactly one line, or no JSON on it.
    var envelope: JSONValue? {
        guard output.hasSuffix("\n"), output.split(separator: "\n", omittingEmptySubsequences: false).count == 2
        else { return nil }
        return try? JSONValue.parse(output)
    }

    var errorCode: String? { envelope?["error"]?["code"]?.stringValue }

    var warningCodes: [String] {
        (envelope?["warnings"]?.arrayValue ?? []).compactMap { $0["code"]?.stringValue }
    }
}

/// A folder of a test's own in which the program runs, with nothing of the machine's configuration.
struct ProgramFolder: Sendable {
    let url: URL
    /// Stand-ins for the programs that a build looks for before it begins. None of these tests comes as far as to run
    /// one.
    let programs: URL

    var environment: [String: String] { ["PATH": "\(programs.path):/usr/bin:/bin", "HOME": url.path] }

    /// With the real evaluator.
    var environmentWithNickel: [String: String] {
        get throws {
            let nickel = URL(filePath: try Project.tool("nickel")).deletingLastPathComponent().path
            return ["PATH": "\(nickel):\(programs.path):/usr/bin:/bin"]
        }
    }

    func run(
        _ arguments: [String], environment extra: [String: String] = [:], input: String = ""
    ) async throws -> ProgramRun {
        try await finish(Command(Project.executable("lian-build"), arguments, environment: merged(extra)), input)
    }

    /// Through a shell that redirects what the program gets.
    func run(_ arguments: [String], redirected: String) async throws -> ProgramRun {
        try await run(arguments, script: "\"$0\" \"$@\" \(redirected)")
    }

    /// By a line of sh in which the program is `$0`, and what it is given `$@`.
    func run(_ arguments: [String], script: String) async throws -> ProgramRun {
        try await finish(
            Command(
                "/bin/sh", ["-c", script, Project.executable("lian-build")] + arguments, environment: environment), "")
    }

    /// A shell's lines, with the program on its PATH.
    func run(script: String) async throws -> ProgramRun {
        let path = "\(Project.products.path):\(environment["PATH"] ?? "")"
        return try await finish(Command("/bin/bash", ["-c", script], environment: merged(["PATH": path])), "")
    }

    func write(_ path: String, _ text: String) throws {
        let file = url.appending(path: path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    func merged(_ extra: [String: String]) -> [String: String] {
        environment.merging(extra) { $1 }
    }

    private func finish(_ command: Command, _ input: String) async throws -> ProgramRun {
        var command = command
        command.workingDirectory = url.path
        let result = try await LianSystem.run(command, input: .bytes(Array(input.utf8)), deadline: .seconds(300))
        guard case .exited(let status) = result.termination else {
            Issue.record("ended by \(result.termination)")
            return ProgramRun(status: -1, output: result.outputText, errors: result.errorText)
        }
        return ProgramRun(status: status, output: result.outputText, errors: result.errorText)
    }
}

func withProgramFolder<Result>(_ body: (ProgramFolder) async throws -> Result) async throws -> Result {
    try await withTemporaryFolder { url in
        let root = url.resolvingSymlinksInPath()
        let folder = ProgramFolder(url: root.appending(path: "home"), programs: root.appending(path: "programs"))
        for place in [folder.url, folder.programs] {
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        }
        for name in ["nickel", "rsync"] {
            try writeScript(
                "[ \"$1\" = --version ] && exec echo '\(name) 1.2.3'\necho 'a stand-in' >&2; exit 1",
                to: folder.programs.appending(path: name))
        }
        return try await body(folder)
    }
}
