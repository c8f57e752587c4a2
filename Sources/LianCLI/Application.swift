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
        switch arguments.first {
        case nil:
            return refuse("no subcommand is given; it is build or integrate")
        case "--help", "-h":
            return show(HelpPage.general())
        case "--version", "-v":
            return show("lian-build \(lianBuildVersion)\n")
        case let name?:
            guard let subcommand = Subcommand.all.first(where: { $0.name == name }) else {
                let nearest = nearestName(to: name, among: Subcommand.all.map { $0.name })
                let suggestion = nearest.map { "; did you mean '\($0)'?" } ?? ""
                return refuse("'\(name.prefix(40))' is not a subcommand\(suggestion)")
            }
            return await run(subcommand, Array(arguments.dropFirst()))
        }
    }

    private func run(_ subcommand: Subcommand, _ rest: [String]) async -> Int32 {
        if rest.contains("--help") || rest.contains("-h") { return show(HelpPage.page(for: subcommand)) }
        if rest.contains("--version") || rest.contains("-v") { return show("lian-build \(lianBuildVersion)\n") }
        return switch subcommand.name {
        case Subcommand.build.name: await BuildCommand(application: self, arguments: rest).run()
        default: await IntegrateCommand(application: self, arguments: rest).run()
        }
    }

    private func refuse(_ message: String) -> Int32 {
        finish(
            .failure(
                LianError(.invalidArgument, .arguments, message, hint: "lian-build --help shows what there is.")))
    }

    private func show(_ text: String) -> Int32 {
        do {
            try stdout.write(text)
            return 0
        } catch {
            return unwritable(error)
        }
    }

    /// Tells a person what went wrong, prints the envelope, and says with which status to exit.
    func finish(_ envelope: ResultEnvelope, endedBy signal: EndSignal? = nil) -> Int32 {
        if let error = envelope.error { explain(error) }
        do {
            try stdout.writeLine(envelope.json)
        } catch {
            return unwritable(error)
        }
        if envelope.status == .cancelled, let signal { return signal.exitStatus }
        return envelope.error?.code.exitStatus ?? 0
    }

    func explain(_ error: LianError) {
        // Names of files may be in it, and those may hold anything.
        func show(_ text: String) { stderr.line(onOneLine(text, limit: 10_000)) }
        show("error[\(error.code.rawValue)]: \(error.message)")
        for line in error.logTail { show("  | \(line)") }
        show("hint: \(error.hint)")
    }

    func unwritable(_ error: SystemError) -> Int32 {
        stderr.line(
            "error[\(ErrorCode.outputUnwritable.rawValue)]: the result could not be written to stdout: \(error)")
        return ErrorCode.outputUnwritable.exitStatus
    }
}
