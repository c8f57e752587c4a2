import LianBuildKit
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@testable import LianBuild

/// What runners side by side tell, as one build.
@Suite struct LaneBoardTests {
    private final class Watcher: BuildReporter {
        private let lines = Mutex<[String]>([])

        func report(_ event: ProgressEvent) {
            let line: String =
                switch event {
                case .attemptStarted(let number, _): "attempt \(number)"
                case .attemptEnded(let number, let outcome): "attempt \(number) \(outcome.rawValue)"
                case .started(let phase, let text): "\(phase.rawValue) > \(text)"
                case .waiting(let phase, let text): "\(phase.rawValue) = \(text)"
                case .finished(let phase, let text): "\(phase.rawValue) < \(text)"
                case .context(let progress): "\(progress.files) files, \(progress.sentBytes) sent"
                case .artifactStarted(let name): "artifact \(name)"
                case .step(let artifact, let step): "step \(artifact) \(step.number)"
                case .usage: "usage"
                case .note(let text): "note \(text)"
                case .warning(let warning): "warning \(warning.code.rawValue)"
                default: "else"
                }
            lines.withLock { $0.append(line) }
        }

        var told: [String] { lines.withLock { $0 } }
    }

    /// Takes its time over the first event: whoever does not wait for it overtakes it.
    private final class SlowWatcher: BuildReporter {
        let started = Monitor<[Phase]>([])
        private let isTold = Monitor(false)

        func report(_ event: ProgressEvent) {
            guard case .started(let phase, _) = event else { return }
            if isTold.update({ told in
                defer { told = true }
                return !told
            }) {
                // Nobody overtakes it where all is right, so this is the time that the test takes.
                started.wait(atMost: .milliseconds(200)) { $0.isEmpty ? nil : true }
            }
            started.update { $0.append(phase) }
        }

        var isHeld: Bool { isTold.current }
    }

    @Test func whatIsToldFirstIsShownFirst() async {
        let watcher = SlowWatcher()
        let board = LaneBoard(BuildJournal(watcher), platforms: ["linux/amd64", "linux/386"])
        async let first: Void = onOwnThread { board.reporter(of: "linux/amd64").report(.started(.spawn, "a")) }
        #expect(await eventually { watcher.isHeld })
        await onOwnThread { board.reporter(of: "linux/386").report(.started(.connect, "b")) }
        await first
        #expect(watcher.started.current == [.spawn, .connect])
    }

    private let watcher = Watcher()
    private let journal: BuildJournal
    private let board: LaneBoard
    private let amd: any BuildReporter
    private let other: any BuildReporter

    init() {
        journal = BuildJournal(watcher)
        board = LaneBoard(journal, platforms: ["linux/amd64", "linux/386"])
        amd = board.reporter(of: "linux/amd64")
        other = board.reporter(of: "linux/386")
    }

    private static let sizing = Sizing(
        source: .explicit, size: RunnerSize(cpu: 2, memoryGB: 4), timeBudgetMinutes: 30, tier: "cx22")

    @Test func aPhaseEndsWithTheLastThatIsInIt() {
        for reporter in [amd, other] { reporter.report(.attemptStarted(number: 1, Self.sizing)) }
        amd.report(.started(.spawn, "a"))
        other.report(.started(.spawn, "b"))
        amd.report(.finished(.spawn, "up"))
        amd.report(.started(.sync, "sending"))
        other.report(.waiting(.spawn, "starting"))
        other.report(.finished(.spawn, "up"))
        #expect(
            watcher.told == [
                "attempt 1", "spawn > linux/amd64: a", "spawn = linux/386: b", "sync > linux/amd64: sending",
                "spawn = linux/386: starting", "spawn < linux/386: up",
            ])
    }

    /// A runner that goes while others build is no phase of the build's; its retry is told in words.
    @Test func theEndOfOneRunnerIsANote() {
        other.report(.started(.build, "app"))
        other.report(.attemptEnded(number: 1, .oom))
        other.report(.started(.teardown, "destroying r-1"))
        other.report(.finished(.teardown, "r-1 is gone"))
        amd.report(.attemptStarted(number: 1, Self.sizing))
        other.report(.attemptStarted(number: 2, Self.sizing))
        amd.report(.started(.build, "app"))
        amd.report(.finished(.build, "done"))
        amd.report(.attemptEnded(number: 1, .succeeded))
        board.end(.succeeded, attempt: 2)
        amd.report(.started(.teardown, "destroying r-2"))
        amd.report(.finished(.teardown, "r-2 is gone"))
        #expect(
            watcher.told == [
                "build > linux/386: app", "note linux/386: its attempt ended: oom",
                "note linux/386: destroying r-1", "note linux/386: r-1 is gone", "attempt 1",
                "note linux/386: trying once more on \(Self.sizing.description)", "build > linux/amd64: app",
                "build < linux/amd64: done", "attempt 2 succeeded", "teardown > linux/amd64: destroying r-2",
                "teardown < linux/amd64: r-2 is gone",
            ])
    }

    @Test func whatIsOfOnePlatformSaysSo() {
        other.report(.artifactStarted("app"))
        other.report(.step(artifact: "app", BuildStep(number: 3, name: "s")))
        other.report(.note("something"))
        amd.report(.context(ContextProgress(files: 3, bytes: 9, sentBytes: 4)))
        other.report(.context(ContextProgress(files: 3, bytes: 9, sentBytes: 5)))
        for reporter in [amd, other] {
            reporter.report(.usage(UsageSample(cores: 1, megabytes: 1)))
            reporter.report(.warning(BuildWarning(.usageNotMeasured, "the same of both")))
        }
        #expect(
            watcher.told == [
                "artifact app-linux-386", "step app-linux-386 3", "note linux/386: something", "3 files, 4 sent",
                "6 files, 9 sent", "usage", "warning usage_not_measured",
            ])
        #expect(journal.envelope.warnings.map(\.code) == [.usageNotMeasured])
    }
}
