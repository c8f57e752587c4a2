import LianCloacina
import LianFlags
import LianModel
import LianSystem

/// The command line: arguments in, one envelope out, an exit status back.
package struct CloacinaApplication: Sendable {
    private let program: CommandSyntax
    private let arguments: [String]
    private let environment: [String: String]
    private let stdout = StandardOutput()
    private let stderr = StandardError()
    private let start = ContinuousClock.now

    /// The first argument is the name by which the program was called.
    package init(arguments: [String], environment: [String: String]) {
        program = .cloacina(calledAs: arguments.first ?? "")
        self.arguments = Array(arguments.dropFirst())
        self.environment = environment
    }

    package func run() async -> Int32 {
        ignoreBrokenPipes()
        let status = await answer()
        await stderr.drain()
        return status
    }

    private func answer() async -> Int32 {
        var syntax = program
        var rest = arguments[...]
        while let word = rest.first, !syntax.subcommands.isEmpty, !word.hasPrefix("-") {
            guard let subcommand = syntax.subcommand(named: word) else {
                let nearest = nearestName(to: word, among: syntax.subcommands.map(\.name))
                let suggestion = nearest.map { "; did you mean '\($0)'?" } ?? ""
                return await refuse(
                    "'\(word.prefix(40))' is not a command of \(syntax.invocation)\(suggestion)", syntax)
            }
            syntax = subcommand
            rest = rest.dropFirst()
        }
        switch syntax.question(in: Array(rest)) {
        case .help: return show(HelpPage.page(for: syntax))
        case .version: return show("\(program.name) \(lianBuildVersion)\n")
        case nil: break
        }
        if syntax.subcommands.isEmpty { return await execute(syntax, Array(rest)) }
        return await completions(syntax, Array(rest))
    }

    private func completions(_ syntax: CommandSyntax, _ rest: [String]) async -> Int32 {
        do throws(LianError) {
            let parsed = try ArgumentParser.parse(rest, for: syntax, environment: [:])
            if let shell: Shell = try ArgumentReader(parsed).choice(Flag.completions.name) {
                return show(CompletionScript.of(program, for: shell))
            }
        } catch {
            return await finish(syntax, .json, CloacinaReport(), CloacinaError(error))
        }
        return await refuse(
            "no command is given; it is one of \(syntax.subcommands.map(\.name).joined(separator: ", "))", syntax)
    }

    private func execute(_ syntax: CommandSyntax, _ rest: [String]) async -> Int32 {
        let stop = StopRequest()
        var form = OutputForm.json
        let command: any CloacinaCommand
        guard let folder = currentFolder() else {
            return await refuse("the working folder is gone", syntax, hint: "Go to a folder that is there.")
        }
        let limit: Double
        do throws(LianError) {
            let parsed = try ArgumentParser.parse(rest, for: syntax, environment: environment)
            let reader = ArgumentReader(parsed)
            form = try OutputForm(reader, of: syntax)
            limit = try reader.number("--timeout", in: 0.001...86_400) ?? 900
            // What is printed here has no colors; the programs that are run are asked for none.
            let colors = parsed.has("--no-color") ? ["NO_COLOR": "1", "CARGO_TERM_COLOR": "never"] : [:]
            let surroundings = Surroundings(
                environment: environment.merging(colors) { $1 }, workingFolder: folder, stop: stop,
                isVerbose: parsed.has("--verbose"), tell: { [stderr] in stderr.line(onOneLine($0, limit: 10_000)) })
            command = try makeCommand(syntax, reader, surroundings)
        } catch {
            return await finish(syntax, form, CloacinaReport(), CloacinaError(error))
        }
        let watcher = SignalWatcher()
        let running = Task {
            var report = CloacinaReport()
            var failure: CloacinaError?
            do throws(CloacinaError) { try await command.run(&report) } catch { failure = error }
            return (report: report, error: failure)
        }
        let endedBy = Guarded<EndSignal?>(nil)
        let watching = Task {
            for await signal in watcher.signals {
                endedBy.set(signal)
                stop.stop(.cancelled(by: signal))
                running.cancel()
                return
            }
        }
        let timer = Task {
            try await Task.sleep(for: .seconds(limit))
            stop.stop(.timedOut(afterSeconds: limit))
            running.cancel()
        }
        let outcome = await running.value
        watching.cancel()
        timer.cancel()
        // What fails in a command that is being ended fails because of that.
        let error = outcome.error.map { stop.error ?? $0 }
        return await finish(syntax, form, outcome.report, error, endedBy: endedBy.value)
    }

    private func refuse(_ message: String, _ syntax: CommandSyntax, hint: String? = nil) async -> Int32 {
        await finish(
            syntax, .json, CloacinaReport(),
            CloacinaError(
                .invalidArgument, .arguments, message,
                hint: hint ?? "\(syntax.invocation) --help shows what there is."))
    }

    private func show(_ text: String) -> Int32 {
        do {
            try stdout.write(text)
            return 0
        } catch {
            return unwritable(error)
        }
    }

    private func finish(
        _ syntax: CommandSyntax, _ form: OutputForm, _ report: CloacinaReport, _ error: CloacinaError?,
        endedBy signal: EndSignal? = nil
    ) async -> Int32 {
        for warning in report.warnings {
            stderr.line(onOneLine("warning[\(warning.code.rawValue)]: \(warning.message)", limit: 10_000))
        }
        for line in error?.lines ?? [] { stderr.line(line) }
        let envelope = CloacinaEnvelope(
            command: syntax.subcommands.isEmpty ? syntax.words.joined(separator: " ") : nil, report: report,
            error: error, milliseconds: (ContinuousClock.now - start).milliseconds)
        // Where both streams are one, the envelope comes last.
        await stderr.drain()
        do {
            try stdout.write(form.text(of: envelope))
        } catch {
            return unwritable(error)
        }
        if error?.code == .cancelled, let signal { return signal.exitStatus }
        return error?.exitStatus ?? 0
    }

    private func unwritable(_ error: SystemError) -> Int32 {
        stderr.line(
            "error[\(CloacinaCode.writeFailed.rawValue)]: the result could not be written to stdout: \(error)")
        return CloacinaCode.internalError.exitStatus
    }
}

extension CloacinaError {
    /// What the reader of flags says.
    init(_ error: LianError) {
        self.init(.invalidArgument, .arguments, error.message, hint: error.hint)
    }

    fileprivate static func cancelled(by signal: EndSignal) -> CloacinaError {
        CloacinaError(
            .cancelled, .output, "the command was ended by \(signal.name)", hint: "Start it again when you like.")
    }

    fileprivate static func timedOut(afterSeconds limit: Double) -> CloacinaError {
        CloacinaError(
            .timedOut, .output, "the command took longer than \(JSONValue.number(limit).encoded()) s",
            hint: "Give it more time with --timeout.")
    }
}
