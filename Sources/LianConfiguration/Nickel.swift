import LianModel
import LianSystem

/// The Nickel evaluator as a subprocess: `nickel export --format json`.
package struct Nickel: Sendable {
    package let executable: String
    package let importPaths: [String]
    package let environment: [String: String]
    /// What one export may take.
    package var deadline: Duration = .seconds(30)
    /// Whether errors show what nickel says, which quotes the file and whatever that imports.
    package var mayQuote = true

    package static let outputLimit = 4 << 20
    package static let memoryLimit: UInt = 2 << 30

    /// What the evaluated files may see of the caller's environment: nothing that could hold a secret.
    private static let passedVariables = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "NICKEL_IMPORT_PATH"]

    package init(executable: String, importPaths: [String], environment: [String: String]) {
        self.executable = executable
        self.importPaths = importPaths
        self.environment = environment.filter { Self.passedVariables.contains($0.key) }
    }

    /// Finds `nickel` on the PATH, to read that file.
    package static func find(
        for file: String, installation: Installation?, importPaths: [String], environment: [String: String]
    ) throws(LianError) -> Nickel {
        guard let executable = findExecutable("nickel", path: environment["PATH"]) else {
            throw LianError(
                .nickelMissing, .resolve, "\(file) needs nickel to be read, and there is no nickel on PATH",
                hint: "Install nickel 1.10 or newer (nickel-lang.org); a file that ends in .json is read without it.")
        }
        // The folder above both is searched too: each of them holds a build_directives.ncl, and by that name alone only
        // the first would be found.
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
            result = try await run(command, deadline: deadline, outputLimit: Self.outputLimit)
        } catch {
            throw failure(error, file)
        }
        guard result.termination.isSuccess else {
            let lines = Self.lines(result.errorText)
            let reason = Self.place(lines, file) + (mayQuote ? Self.words(lines) : "")
            throw LianError(
                .nickelFailed, .resolve, Self.refusal(file, result.termination) + reason,
                hint: hint(file, result.termination), logTail: mayQuote ? lines : [])
        }
        do {
            return try JSONValue.parse(result.output)
        } catch {
            throw LianError(
                .nickelOutputInvalid, .resolve, "what nickel exported from \(file) is not JSON: \(error)",
                hint: "Is the nickel on PATH (\(executable)) the real one? nickel --version tells.",
                logTail: mayQuote ? Self.lines(result.errorText) : [])
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
                .nickelTimedOut, .resolve, "nickel did not finish \(file) within \(deadline), and was ended",
                hint: "Does the file recurse without end? This shows it: \(shownCommand(file))")
        case .tooMuchOutput:
            LianError(
                .nickelOutputTooLarge, .resolve, "nickel printed more than 4 MiB for \(file), and was ended",
                hint: "Such a file holds intent, not data; keep large values out of it.")
        case .cancelled: CancellationError()
        }
    }

    private static func refusal(_ file: String, _ termination: Termination) -> String {
        switch termination {
        case .exited: "nickel refused \(file)"
        case .signalled(let signal): "nickel was ended by signal \(signal) while it read \(file)"
        }
    }

    private func hint(_ file: String, _ termination: Termination) -> String {
        switch termination {
        case .exited where mayQuote: "The diagnostic says what is wrong; this repeats it: \(shownCommand(file))"
        case .exited: "This says why; here it would quote what the file reads: \(shownCommand(file))"
        case .signalled:
            "It may use \(Self.memoryLimit >> 30) GiB of memory; does this need more? \(shownCommand(file))"
        }
    }

    /// For a shell, with the folders that imports are looked for in.
    private func shownCommand(_ file: String) -> String {
        "nickel export" + importPaths.map { " --import-path \(shellQuoted($0))" }.joined() + " \(shellQuoted(file))"
    }

    /// What stands before the name of a file whose lines are drawn.
    private static let frame = "┌─ "

    /// The line of the file that is drawn; empty where none is.
    private static func place(_ lines: [String], _ file: String) -> String {
        let mark = "\(frame)\(file):"
        let drawn = lines.lazy.compactMap { line in line.firstRange(of: mark).map { line[$0.upperBound...] } }.first
        return drawn.map { ", line \($0.prefix(while: \.isNumber))" } ?? ""
    }

    /// What the diagnostic says before it draws anything.
    private static func words(_ lines: [String]) -> String {
        let said = lines.prefix { !$0.contains(frame) }.map { $0.drop(while: \.isWhitespace) }.joined(separator: ": ")
        return said.isEmpty ? "" : ": \(onOneLine(String(said.trimmingPrefix("error: ")), limit: 500))"
    }

    /// The diagnostic as Nickel drew it, at most a screenful or two. It quotes a file that is not trusted: what a
    /// terminal would obey is taken out.
    private static func lines(_ text: String) -> [String] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if let drawn = lines.firstIndex(where: { $0.contains(frame) }) {
            lines.replaceSubrange(drawn..., with: withoutClosures(lines[drawn...]))
        }
        while lines.last?.allSatisfy({ $0.isWhitespace || $0 == "│" }) ?? false { lines.removeLast() }
        return lines.prefix(100).map { onOneLine(String($0), limit: 500) }
    }

    /// The drawings without those of records that Nickel put together itself: they show addresses in its memory.
    private static func withoutClosures(_ lines: ArraySlice<Substring>) -> [Substring] {
        var drawings: [[Substring]] = []
        for line in lines {
            if line.contains(frame) || drawings.isEmpty { drawings.append([]) }
            drawings[drawings.count - 1].append(line)
        }
        return drawings.filter { !$0.contains { $0.contains("%<closure@") } }.flatMap { $0 }
    }
}
