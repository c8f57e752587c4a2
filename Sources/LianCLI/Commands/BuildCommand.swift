import LianBuild
import LianFlags
import LianModel
import LianSystem

/// `lian-build build`.
struct BuildCommand: Sendable {
    let application: Application
    let arguments: [String]

    func run() async -> Int32 {
        let options: BuildOptions
        let reporter: any BuildReporter
        let reportFile: ReportFile?
        let recorder: ReportRecorder?
        do throws(LianError) {
            let parsed = try ArgumentParser.parse(
                arguments, for: .build, environment: application.environment)
            let form: ProgressForm = try ArgumentReader(parsed).choice("--progress") ?? .auto
            options = try BuildOptions(parsed)
            reportFile = try options.report.map { path throws(LianError) in
                try ReportFile(path, from: currentFolder())
            }
            recorder = reportFile.map { _ in ReportRecorder() }
            let watcher = makeReporter(form, to: application.stderr)
            reporter = recorder.map { ReporterPair(first: watcher, second: $0) } ?? watcher
        } catch {
            return application.finish(.failure(error))
        }
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
