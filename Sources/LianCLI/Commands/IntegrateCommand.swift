import Glibc
import LianBuild
import LianConfiguration
import LianFlags
import LianIntegrate
import LianModel
import LianNATS
import LianSystem

/// `lian-build integrate`.
struct IntegrateCommand: Sendable {
    let application: Application
    let arguments: [String]

    func run() async -> Int32 {
        let watcher = SignalWatcher()
        let options: IntegrateOptions
        do {
            options = try self.options()
        } catch {
            var answer = IntegrationAnswer(startedAt: now)
            answer.finishedAt = now
            answer.error = LianError(error, in: .arguments)
            return await finish(answer)
        }
        let probing = Task {
            await Integrate(options, environment: application.environment)
                .run(await readContext(from: STDIN_FILENO))
        }
        let endedBy = Guarded<EndSignal?>(nil)
        let watching = Task {
            for await signal in watcher.signals {
                endedBy.set(signal)
                probing.cancel()
                return
            }
        }
        let result = await probing.value
        watching.cancel()
        for warning in result.warnings { application.stderr.line("warning: \(warning)") }
        guard let signal = endedBy.value else { return await finish(result.answer) }
        var answer = result.answer
        answer.error = LianError(
            .cancelled, .resolve, "the probe was ended by \(signal.name)", hint: "Start it again when you like.")
        return await finish(answer, endedBy: signal)
    }

    private var now: UTCTime { UTCTime(milliseconds: Timing.system.wallClock()) }

    private func options() throws -> IntegrateOptions {
        let parsed = try ArgumentParser.parse(arguments, for: .integrate, environment: application.environment)
        let given = try EventOptions(ArgumentReader(parsed))
        var options = IntegrateOptions(orchestratorURL: parsed.value("--orchestrator-url"))
        if let file = ArgumentReader(parsed).given("--orchestrator-ca") {
            options.orchestratorAuthorities = try file.authorities(from: .current)
        }
        if let prefix = given.subjectPrefix { options.subjectPrefix = try checked(prefix, .subjectPrefix) }
        if let url = given.url {
            options.events = EventsSettings(url: url.value, nkeySeed: try seed(given.seed), caFile: given.caFile)
        }
        return options
    }

    private func checked(_ given: BuildOptions.Given, _ rule: TextRule) throws(LianError) -> String {
        guard rule.holds(given.value) else {
            throw LianError(
                .invalidArgument, .arguments, "\(given.name) \(rule.sentence)",
                hint: "lian-build integrate --help shows what each flag takes.")
        }
        return given.value
    }

    private func seed(_ given: BuildOptions.Given?) throws(LianError) -> String? {
        guard let given else { return nil }
        guard let file = try given.file(from: .current) else {
            if given.name.hasPrefix("--") {
                application.stderr.line("warning: \(BuildOptions.seedOnCommandLine(given.name))")
            }
            return given.value
        }
        do {
            return try SecretReader.line(ofFile: file, "the nkey seed")
        } catch {
            throw LianError(
                .invalidArgument, .arguments, "\(given.name): \(error.message)",
                hint: "Name a readable file that holds the seed, after the '@'.")
        }
    }

    private func finish(_ answer: IntegrationAnswer, endedBy signal: EndSignal? = nil) async -> Int32 {
        if let error = answer.error { application.explain(error) }
        await application.stderr.drain()
        do {
            try application.stdout.line(answer.json.encoded())
            return signal?.exitStatus ?? answer.exitStatus
        } catch {
            return application.unwritable(error)
        }
    }
}
