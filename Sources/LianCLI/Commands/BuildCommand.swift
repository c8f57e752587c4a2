import LianBuild
import LianConfiguration
import LianFlags
import LianModel
import LianSystem

/// `lian-build build`.
struct BuildCommand: Sendable {
    let application: Application
    let arguments: [String]

    func run() async -> Int32 {
        let parsed: ParsedArguments
        let form: ProgressForm
        do throws(LianError) {
            parsed = try ArgumentParser.parse(arguments, for: .build, environment: application.environment)
            form = try ArgumentReader(parsed).choice("--progress") ?? .auto
        } catch {
            return application.refuse(error)
        }
        let display = makeReporter(form, to: application.stderr, environment: application.environment)
        let options: BuildOptions
        let reportFile: ReportFile?
        do throws(LianError) {
            options = try BuildOptions(parsed)
            reportFile = try options.report.map { path throws(LianError) in
                try ReportFile(path, from: currentFolder())
            }
        } catch {
            let envelope = ResultEnvelope.failure(error)
            display.report(.ended(envelope))
            return application.finish(envelope)
        }
        let recorder = reportFile.map { _ in ReportRecorder() }
        let reporter: any BuildReporter = recorder.map { ReporterPair(first: display, second: $0) } ?? display
        let build = Build(
            options: options,
            surroundings: Surroundings(
                environment: application.environment, workingFolder: currentFolder(),
                installation: Installation.locate(), reporter: reporter))
        let watcher = SignalWatcher()
        let running = Task { await build.run() }
        let watching = Task {
            for await signal in watcher.signals { build.end(by: signal) }
        }
        var envelope = await running.value
        watching.cancel()
        if let reportFile, let recorder,
            let warning = reportFile.write(recorder.finish(envelope, build.findings))
        {
            envelope.warnings.append(warning)
            reporter.report(.warning(warning))
        }
        reporter.report(.ended(envelope))
        return application.finish(envelope, endedBy: build.endSignal)
    }
}
