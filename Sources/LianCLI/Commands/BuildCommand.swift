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
        do throws(LianError) {
            let parsed = try ArgumentParser.parse(
                arguments, for: .build, environment: application.environment)
            let form: ProgressForm = try ArgumentReader(parsed).choice("--progress") ?? .auto
            reporter = makeReporter(form, to: application.stderr)
            options = try BuildOptions(parsed)
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
        let envelope = await running.value
        watching.cancel()
        reporter.report(.ended(envelope))
        return application.finish(envelope, endedBy: build.endSignal)
    }
}
