import LianBuild

/// Two watchers of one build.
struct ReporterPair: BuildReporter {
    let first: any BuildReporter
    let second: any BuildReporter

    func report(_ event: ProgressEvent) {
        first.report(event)
        second.report(event)
    }

    func drain(to backlog: Int) async {
        await first.drain(to: backlog)
        await second.drain(to: backlog)
    }
}
