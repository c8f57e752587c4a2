import LianBuild
import LianConfiguration
import LianFlags
import LianModel
import LianSystem
import LianTrace

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
            return await application.refuse(error)
        }
        let display = makeReporter(form, to: application.stderr, environment: application.environment)
        let options: BuildOptions
        let reportFile: ReportFile?
        do throws(LianError) {
            options = try BuildOptions(parsed)
            reportFile = try options.report.map { path throws(LianError) in
                try ReportFile(path, from: .current)
            }
        } catch {
            let envelope = ResultEnvelope.failure(error)
            display.report(.ended(envelope))
            return await application.finish(envelope)
        }
        // A dry run leaves no trace: it builds nothing.
        let trace = options.dryRun ? nil : TraceExport(environment: application.environment)
        let recorder = reportFile == nil && trace == nil ? nil : ReportRecorder()
        let reporter: any BuildReporter = recorder.map { ReporterPair(first: display, second: $0) } ?? display
        let build = Build(
            options: options,
            surroundings: Surroundings(
                environment: application.environment, workingFolder: .current,
                installation: Installation.locate(), reporter: reporter, traceParent: trace?.parentForOthers))
        let watcher = SignalWatcher()
        let running = Task { await build.run() }
        let isOver = Guarded(false)
        let watching = Task {
            for await signal in watcher.signals {
                // Once the build is over, its trace alone is still waited for.
                if !isOver.value { build.end(by: signal) }
                if isOver.value || build.isAbandoned { trace?.giveUp() }
            }
        }
        var envelope = await running.value
        isOver.set(true)
        if let record = recorder?.finish(envelope, build.findings) {
            for warning in [reportFile?.write(record), await trace?.finish(record)].compactMap({ $0 }) {
                envelope.warnings.append(warning)
                reporter.report(.warning(warning))
            }
        }
        watching.cancel()
        reporter.report(.ended(envelope))
        return await application.finish(envelope, endedBy: build.endSignal)
    }
}
