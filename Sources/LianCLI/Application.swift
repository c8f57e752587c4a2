import LianFlags
import LianModel
import LianSystem

/// The command line: arguments in, one envelope out, an exit status back.
package struct Application: Sendable {
    let arguments: [String]
    let environment: [String: String]
    let stdout: StandardOutput
    let stderr: StandardError

    package init(
        arguments: [String], environment: [String: String], stdout: StandardOutput = StandardOutput(),
        stderr: StandardError = StandardError()
    ) {
        self.arguments = arguments
        self.environment = environment
        self.stdout = stdout
        self.stderr = stderr
    }

    package func run() async -> Int32 {
        ignoreBrokenPipes()
        let status = await answer()
        await stderr.drain()
        return status
    }

    private func answer() async -> Int32 {
        guard let first = arguments.first else {
            return await refuse("no subcommand is given; it is build or integrate")
        }
        if first.hasPrefix("-") { return await answer(.lianBuild, arguments) }
        guard let subcommand = CommandSyntax.lianBuild.subcommand(named: first) else {
            let nearest = nearestName(to: first, among: CommandSyntax.lianBuild.subcommands.map(\.name))
            let suggestion = nearest.map { "; did you mean '\($0)'?" } ?? ""
            return await refuse("'\(first.prefix(40))' is not a subcommand\(suggestion)")
        }
        return await answer(subcommand, Array(arguments.dropFirst()))
    }

    private func answer(_ syntax: CommandSyntax, _ rest: [String]) async -> Int32 {
        switch syntax.question(in: rest) {
        case .help: return show(HelpPage.page(for: syntax, all: syntax.asksForAll(rest)))
        case .version: return show("lian-build \(lianBuildVersion)\n")
        case nil: break
        }
        return switch syntax.name {
        case CommandSyntax.build.name: await BuildCommand(application: self, arguments: rest).run()
        case CommandSyntax.integrate.name: await IntegrateCommand(application: self, arguments: rest).run()
        default: await completions(rest)
        }
    }

    private func completions(_ rest: [String]) async -> Int32 {
        do throws(LianError) {
            let parsed = try ArgumentParser.parse(rest, for: .lianBuild, environment: [:])
            guard let shell: Shell = try ArgumentReader(parsed).choice(Flag.completions.name) else {
                return await refuse("no subcommand is given; it is build or integrate")
            }
            return show(CompletionScript.of(.lianBuild, for: shell))
        } catch {
            return await refuse(error)
        }
    }

    private func refuse(_ message: String) async -> Int32 {
        await refuse(LianError(.invalidArgument, .arguments, message, hint: "lian-build --help shows what there is."))
    }

    /// For errors found before it is known how to show a build.
    func refuse(_ error: LianError) async -> Int32 {
        explain(error)
        return await finish(.failure(error))
    }

    private func show(_ text: String) -> Int32 {
        do {
            try stdout.write(text)
            return 0
        } catch {
            return unwritable(error)
        }
    }

    /// Prints the envelope, and says with which status to exit.
    func finish(_ envelope: ResultEnvelope, endedBy signal: EndSignal? = nil) async -> Int32 {
        // Where both streams are one, the envelope comes last.
        await stderr.drain()
        do {
            try stdout.line(envelope.json.encoded())
        } catch {
            return unwritable(error)
        }
        if envelope.status == .cancelled, let signal { return signal.exitStatus }
        return envelope.error?.code.exitStatus ?? 0
    }

    func explain(_ error: LianError) {
        for line in errorLines(error) { stderr.line(line) }
    }

    func unwritable(_ error: SystemError) -> Int32 {
        stderr.line(
            "error[\(ErrorCode.outputUnwritable.rawValue)]: the result could not be written to stdout: \(error)")
        return ErrorCode.outputUnwritable.exitStatus
    }
}
