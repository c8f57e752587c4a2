import Glibc
import LianBuild
import LianBuildKit
import LianModel
import Testing

@testable import LianCLI

/// A build's screen by the clock of the test, drawn without colours.
private struct Viewer {
    var screen: BuildScreen
    let look: TerminalLook
    private let start = ContinuousClock.now

    init(hasUnicode: Bool = true) {
        look = TerminalLook(hasColors: false, hasUnicode: hasUnicode)
        screen = BuildScreen(look)
    }

    mutating func take(_ event: ProgressEvent, at seconds: Double = 0) {
        screen.take(event, at: start + .milliseconds(Int(seconds * 1000)))
    }

    /// The block as it is at that time; none of its lines is wider than it may be.
    func block(_ columns: Int = 100, _ rows: Int = 24, at seconds: Double) -> [String] {
        let lines = screen.block(columns: columns, rows: rows, at: start + .milliseconds(Int(seconds * 1000)))
        #expect(lines.count < max(2, rows))
        return lines.map { line in
            let (text, cells) = line.rendered(columns: columns, look)
            #expect(cells <= columns, "\(text)")
            #expect(cells == text.unicodeScalars.reduce(0) { $0 + cellWidth($1) })
            return text
        }
    }

    mutating func settled(_ columns: Int = 100) -> [String] {
        screen.takeSettled().map { $0.rendered(columns: columns, look).text }
    }

    /// An attempt in its build phase, of one artifact.
    mutating func beginBuilding() {
        take(.attemptStarted(number: 1, small))
        take(.started(.build, "app"))
        take(.artifactStarted("app"))
    }
}

private let small = Sizing(
    source: .explicit, size: RunnerSize(cpu: 2, memoryGB: 4), timeBudgetMinutes: 60, tier: "cx22")

private func step(_ number: Int, _ name: String, _ state: BuildStep.State, _ seconds: Double? = nil) -> BuildStep {
    var step = BuildStep(number: number, name: name)
    step.state = state
    step.seconds = seconds
    return step
}

@Suite struct BuildScreenTests {
    @Test func aPhaseSaysWhatItWaitsFor() {
        var viewer = Viewer()
        viewer.take(.attemptStarted(number: 1, small))
        viewer.take(.started(.spawn, "asking for a runner"))
        #expect(viewer.block(at: 1.25) == ["⠹ spawn       1.2s  asking for a runner", "  time ░░░░░░░░ 1.2s of 60m"])
        viewer.take(.waiting(.spawn, "the runner r-1 is starting"))
        #expect(viewer.block(at: 65)[0] == "⠋ spawn      1m05s  the runner r-1 is starting")
        #expect(viewer.settled() == [])
        viewer.take(.finished(.spawn, "the runner r-1 is up"), at: 65)
        #expect(viewer.settled() == ["✓ spawn      1m05s  the runner r-1 is up"])
        #expect(viewer.block(at: 66) == [] && !viewer.screen.isRunning)
    }

    @Test func theContextIsSeenTravelling() {
        var viewer = Viewer()
        viewer.take(.started(.sync, "sending 50000 files"))
        viewer.take(
            .context(
                ContextProgress(
                    files: 50_000, bytes: 400_000_000, sentBytes: 180_200_000, bytesPerSecond: 88_300_000,
                    secondsLeft: 2.4)))
        #expect(
            viewer.block(at: 2)[1]
                == "  ███████░░░░░░░░░ 45 %  180.2 MB of 400.0 MB  88.3 MB/s  3.0s left  50000 files")
        #expect(
            viewer.block(40, at: 2)
                == [
                    "⠋ sync        2.0s  sending 50000 files", "  45 %  180.2 MB of 400.0 MB  88.3 MB/s",
                    "  3.0s left  50000 files",
                ])
    }

    @Test func stepsRunWithTheirLastLines() {
        var viewer = Viewer()
        viewer.beginBuilding()
        viewer.take(.step(artifact: "app", step(1, "[internal] load build definition", .done, 0)))
        viewer.take(.step(artifact: "app", step(4, "[1/3] COPY a /a", .cached)))
        viewer.take(.step(artifact: "app", step(4, "[1/3] COPY a /a", .done, 0.3)))
        viewer.take(.step(artifact: "app", step(5, "[2/3] RUN make", .running)), at: 1)
        viewer.take(.output(artifact: "app", step: 5, lines: ["one", "two \u{1B}[31mred\u{1B}[0m", "10 %\r99 %\r"]))
        viewer.take(.usage(UsageSample(cores: 1.5, megabytes: 3500)))
        #expect(
            viewer.block(at: 3.1)
                == [
                    "⠙ build       3.1s  app: 1 step, 1 cached", "  ⠙    2.1s  [2/3] RUN make", "    │ one",
                    "    │ two red", "    │ 99 %",
                    "  cpu ██████░░ 1.5/2  mem ███████░ 3.4/4 GB  time ░░░░░░░░ 3.1s of 60m",
                ])
        #expect(viewer.block(40, at: 3.1).suffix(2) == ["  cpu 1.5/2  mem 3.4/4 GB", "  time 3.1s of 60m"])
        // A low terminal: the lines go first, then the gauges, then all but the phase.
        #expect(viewer.block(100, 4, at: 3.1).map { $0.prefix(7) } == ["⠙ build", "  ⠙    ", "  cpu █"])
        #expect(viewer.block(100, 2, at: 3.1).count == 1 && viewer.block(1, 1, at: 3.1) == ["…"])

        viewer.take(.step(artifact: "app", step(5, "[2/3] RUN make", .done, 2.5)), at: 3.5)
        #expect(viewer.settled() == ["  ✓    2.5s  [2/3] RUN make"])
        viewer.take(.artifactEnded("app", .succeeded, digest: "sha256:1"), at: 4)
        viewer.take(.attemptEnded(number: 1, .succeeded), at: 4)
        #expect(viewer.settled() == ["✓ build       4.0s  app: 2 steps, 1 cached"])
    }

    @Test func severalArtifactsAreToldApart() {
        var viewer = Viewer()
        viewer.beginBuilding()
        viewer.take(.artifactStarted("web"))
        viewer.take(.step(artifact: "app", step(1, "[1/1] RUN a", .running)))
        viewer.take(.step(artifact: "web", step(1, "[1/1] RUN w", .running)))
        #expect(
            viewer.block(at: 1).dropFirst().prefix(2).map { $0.dropFirst(13) } == [
                "app [1/1] RUN a", "web [1/1] RUN w",
            ])
        viewer.take(.step(artifact: "app", step(1, "[1/1] RUN a", .done, 1)), at: 1)
        viewer.take(.artifactEnded("app", .succeeded, digest: nil), at: 1)
        viewer.take(.artifactEnded("web", .failed, digest: nil), at: 2)
        viewer.take(.artifactEnded("docs", .skipped, digest: nil), at: 2)
        #expect(
            viewer.settled() == [
                "  ✓    1.0s  app [1/1] RUN a", "  ✓    1.0s  app: 1 step, 0 cached", "  ✗    2.0s  web: failed",
                "  -    0.0s  docs: skipped, what it depends on failed",
            ])
        #expect(viewer.block(at: 3)[0] == "⠋ build       3.0s  app: 1 step, 0 cached")
    }

    @Test func longLinesBreakBetweenWords() {
        var viewer = Viewer()
        viewer.take(.note("a note of several words and a_word_that_is_longer_than_a_row and more"))
        #expect(
            viewer.settled(20) == [
                "! a note of several\r\n  words and\r\n  a_word_that_is_longer_than_a_row\r\n  and more"
            ])
    }

    @Test func manyStepsShareARow() {
        var viewer = Viewer()
        viewer.beginBuilding()
        for number in 1...30 { viewer.take(.step(artifact: "app", step(number, "[\(number)/30] RUN x", .running))) }
        let block = viewer.block(60, 12, at: 1)
        #expect(block.count == 11)
        #expect(block[9] == "    and 22 more steps")
    }

    /// Ten a second are drawn: this is measured without optimisation, by the processor's time and not by the clock.
    @Test func aFrameIsCheap() {
        var viewer = Viewer()
        viewer.beginBuilding()
        for number in 1...8 {
            viewer.take(.step(artifact: "app", step(number, "[\(number)/8] RUN make -C part\(number)", .running)))
            let lines = (1...5).map {
                "\u{1B}[32mcc\u{1B}[0m -O2 -c part\(number)/file\($0).c -o part\(number)/file\($0).o"
            }
            viewer.take(.output(artifact: "app", step: number, lines: lines))
        }
        viewer.take(.usage(UsageSample(cores: 1.5, megabytes: 3500)))
        let frames = 100
        let start = clock()
        for number in 0..<frames { _ = viewer.block(160, 50, at: Double(number) / 10) }
        let milliseconds = Double(clock() - start) / Double(CLOCKS_PER_SEC) * 1000 / Double(frames)
        #expect(milliseconds < 30, "a frame takes \(milliseconds) ms")
    }

    @Test func whatAStepPrintsMovesNothing() {
        var viewer = Viewer()
        viewer.beginBuilding()
        viewer.take(.step(artifact: "app", step(1, "[1/1] RUN \u{1B}[2J漢字漢字漢字漢字漢字漢字漢字\u{200B}👩‍👩", .running)))
        viewer.take(
            .output(
                artifact: "app", step: 1, lines: ["\u{1B}]0;title\u{7}\u{1B}[10A\tx\u{8}é e\u{301}", "漢字漢字漢字漢字漢字漢字"]))
        for columns in 1...60 {
            for line in viewer.block(columns, at: 1) {
                #expect(!line.unicodeScalars.contains { $0.properties.generalCategory == .control })
            }
        }
        var plain = Viewer(hasUnicode: false)
        plain.beginBuilding()
        plain.take(.step(artifact: "app", step(1, "[1/1] RUN 漢字", .running)))
        #expect(plain.block(at: 1).allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } })
    }

    @Test func outOfMemoryAndASecondAttempt() {
        var viewer = Viewer()
        viewer.beginBuilding()
        viewer.take(.step(artifact: "app", step(1, "[1/1] RUN eat", .running)))
        viewer.take(.usage(UsageSample(cores: nil, megabytes: 4000)))
        viewer.take(.step(artifact: "app", step(1, "[1/1] RUN eat", .failed)), at: 2)
        viewer.take(.artifactEnded("app", .failed, digest: nil), at: 2)
        viewer.take(.attemptEnded(number: 1, .oom), at: 2)
        var large = small
        large.size.memoryGB = 8
        large.tier = "cx32"
        viewer.take(.attemptStarted(number: 2, large), at: 2)
        #expect(
            viewer.settled()
                == [
                    "  ✗    2.0s  [1/1] RUN eat", "✗ build       2.0s  app: 0 steps, 0 cached",
                    "! attempt 1: out of memory on cx22 (2 cores, 4 GB, 60 minutes)",
                    "! attempt 2: trying once more on cx32 (2 cores, 8 GB, 60 minutes)",
                ])
        viewer.take(.started(.spawn, "asking for a runner"), at: 2)
        #expect(viewer.block(at: 3).last == "  time ░░░░░░░░ 1.0s of 60m", "the first attempt's use is gone")
    }

    @Test func theEndTellsAll() {
        var viewer = Viewer()
        viewer.beginBuilding()
        viewer.take(.step(artifact: "app", step(1, "[1/2] RUN slow", .done, 8.1)))
        var envelope = ResultEnvelope(status: .failed)
        envelope.sizing = small
        envelope.attempts = [
            AttemptResult(number: 1, tier: "cx22", outcome: .failed, exitCode: 1, durationMS: 9, oom: nil)
        ]
        var artifact = ArtifactResult(name: "app", image: "reg/app:1", tags: [], platforms: [], status: .failed)
        artifact.steps = StepCount(total: 2, cached: 1)
        envelope.artifacts = [artifact]
        envelope.usage = UsageResult(cpuPeak: 1.96, memoryMBPeak: 1536, samples: 9)
        envelope.runner = RunnerResult(id: "r-1", provider: nil, tier: "cx22", destroyed: true)
        var timings = Timings()
        (timings.spawn, timings.build, timings.total) = (900, 8500, 9900)
        envelope.timings = timings
        envelope.error = LianError(
            .buildFailed, .build, "app: it failed", hint: "Look.", logTail: ["last \u{1B}[1mline"],
            place: SourcePlace(file: "/a/Dockerfile", line: 3, text: "RUN slow"))
        viewer.take(.ended(envelope), at: 9)
        viewer.take(.note("too late"), at: 10)
        #expect(
            viewer.settled()
                == [
                    "  ✓    8.1s  [1/2] RUN slow", "✗ build       9.0s  app: 1 step, 0 cached",
                    "✗ failed in 9.9s",
                    "  image    reg/app:1: failed", "  size     cx22 (2 cores, 4 GB, 60 minutes), as asked for",
                    "  used     2.0 cores and 1.5 GB at most", "  steps    2, of which 1 cached",
                    "  slow     8.1s [1/2] RUN slow", "  time     spawn 0.9s, build 8.5s", "  runner   r-1 is gone",
                    "error[build_failed]: app: it failed", "  Dockerfile:3 | RUN slow", "  | last  [1mline",
                    "hint: Look. (docs/errors.md#build_failed)",
                ])
        #expect(viewer.block(at: 11) == [])
    }

    @Test func aTeardownThatDoesNotEndIsNoSuccess() {
        var viewer = Viewer()
        viewer.beginBuilding()
        viewer.take(.attemptEnded(number: 1, .oom))
        viewer.take(.started(.teardown, "destroying r-1"))
        viewer.take(.attemptStarted(number: 2, small), at: 1)
        viewer.take(.started(.teardown, "destroying r-2"), at: 1)
        viewer.take(.ended(ResultEnvelope(status: .succeeded)), at: 3)
        #expect(
            viewer.settled().filter { $0.contains("teardown") } == [
                "✗ teardown    1.0s  destroying r-1", "✗ teardown    2.0s  destroying r-2",
            ])
    }

    @Test func whatATerminalCanShow() {
        func look(_ environment: [String: String]) -> TerminalLook? { TerminalLook(environment: environment) }
        #expect(look(["LANG": "C.UTF-8"]) == nil && look(["TERM": "dumb", "LANG": "C.UTF-8"]) == nil)
        let rich = look(["TERM": "xterm", "LANG": "en_GB.utf8", "NO_COLOR": ""])
        #expect(rich?.hasColors == true && rich?.hasUnicode == true)
        let poor = look(["TERM": "linux", "LC_ALL": "C", "LANG": "C.UTF-8", "NO_COLOR": "1"])
        #expect(poor?.hasColors == false && poor?.hasUnicode == false)
        #expect(TerminalLine("a", .bad).adding("b").rendered(columns: 9, rich ?? look0).text == "\u{1B}[31ma\u{1B}[0mb")
    }

    private let look0 = TerminalLook(hasColors: false, hasUnicode: false)
}
