import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// What the watcher of a build sees on a terminal.
    @Suite struct TerminalTests {
        private static let terminal = ["TERM": "xterm-256color", "LANG": "C.UTF-8"]

        /// As soon as the screen is as wanted.
        private func screen(
            of terminal: PseudoTerminal, when holds: (TerminalScreen) -> Bool
        ) async throws -> TerminalScreen {
            let came = await eventually { holds(terminal.screen) }
            try #require(came, "\(terminal.screen.text)")
            return terminal.screen
        }

        private func expectInOrder(_ screen: TerminalScreen) {
            #expect(screen.isCursorVisible && screen.wrapsAtEdge && screen.unknown == [] && screen.frames > 0)
            #expect(screen.cursorPosition.column == 0 && screen.everything.last?.isEmpty == true)
        }

        @Test func aRunningStepWithItsLastLinesAndTheEnd() async throws {
            try await withScene { scene in
                let gate = try StepGate()
                let context = try scene.context(
                    """
                    \(Scene.shell)RUN echo quick
                    RUN echo one; echo '漢字 \u{1B}[31mtwo'; \(gate.waiting); echo three
                    """)
                let terminal = try PseudoTerminal(columns: 100, height: 30)
                defer { terminal.close() }
                let running = try scene.start(scene.flags(context), environment: Self.terminal, on: terminal)
                let seen = try await screen(of: terminal) { screen in
                    screen.lines.contains("    │ 漢字 two") && screen.lines.contains { $0.hasPrefix("  cpu ") }
                }
                let lines = seen.lines
                for beginning in ["✓ resolve ", "✓ spawn ", "✓ connect ", "✓ sync "] {
                    #expect(lines.contains { $0.hasPrefix(beginning) }, "\(seen.text)")
                }
                #expect(lines.contains { $0.contains(" build ") && $0.contains("app: 2 steps, 0 cached") })
                #expect(lines.contains { $0.hasPrefix("  ✓ ") && $0.hasSuffix("RUN echo quick") })
                #expect(lines.contains { $0.contains("RUN echo one") } && lines.contains("    │ one"))
                #expect(lines.contains { $0.contains(" mem ") && $0.contains(" time ") })

                gate.open()
                let build = try await running.finished()
                #expect(build.status == 0, "\(build.story)")
                let end = try await screen(of: terminal) { $0.text.contains("  runner   ") }
                expectInOrder(end)
                let digest = try #require(build.digest)
                #expect(end.everything.joined().contains("\(scene.image())@\(digest)"))
                #expect(end.text.contains("✓ succeeded in ") && end.text.contains("  steps    3, of which 0 cached"))
                #expect(end.everything.contains { $0.hasPrefix("  runner   ") && $0.hasSuffix(" is gone") })
                #expect(!end.text.contains("    │ "))
            }
        }

        @Test func theContextIsSeenTravelling() async throws {
            try await withScene { scene in
                try await withTemporaryFolder(inMemory: true) { memory in
                    let context = try scene.context("FROM scratch\nCOPY Dockerfile /\n", in: memory)
                    try fillWithNoise(URL(filePath: context), megabytes: 1024)
                    let terminal = try PseudoTerminal(columns: 100, height: 24)
                    defer { terminal.close() }
                    let running = try scene.start(scene.flags(context), environment: Self.terminal, on: terminal)
                    let bytes = #/ [1-9][0-9]? %  [0-9.]+ MB of 1\.0 GB  [0-9.]+ MB/s  [0-9.]+s left  18 files/#
                    let seen = try await screen(of: terminal) { $0.text.contains(bytes) }
                    #expect(seen.lines.contains { $0.contains(" sync ") && $0.hasSuffix("sending 18 files") })
                    running.signal(SIGINT)
                    #expect(try await running.finished().status == 130)
                    expectInOrder(try await screen(of: terminal) { $0.text.contains("hint: ") })
                }
            }
        }

        @Test func aFailureEndsWithTheStepsLastLines() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo begun; \\\n    echo the last words; exit 3\n")
                let terminal = try PseudoTerminal(columns: 40, height: 24)
                defer { terminal.close() }
                let running = try scene.start(
                    scene.flags(context), environment: Self.terminal.merging(["NO_COLOR": "1"]) { $1 }, on: terminal)
                let build = try await running.finished()
                #expect(build.status == 1 && build.errorCode == "build_failed", "\(build.story)")
                #expect(build["error"]["message"]?.stringValue?.hasSuffix(" failed (Dockerfile:4)") == true)
                let end = try await screen(of: terminal) { $0.text.contains("hint: ") }
                expectInOrder(end)
                let lines = end.lines
                #expect(lines.contains("  Dockerfile:4 | RUN echo begun; \\"), "\(end.text)")
                #expect(lines.contains("  | begun") && lines.contains("  | the last words"))
            }
        }

        @Test func interruptedWhileAStepRuns() async throws {
            try await withScene { scene in
                let context = try scene.context(Scene.shell + "RUN echo begun; busybox sleep 600\n")
                let terminal = try PseudoTerminal(columns: 60, height: 24)
                defer { terminal.close() }
                let running = try scene.start(scene.flags(context), environment: Self.terminal, on: terminal)
                _ = try await screen(of: terminal) { $0.lines.contains("    │ begun") }
                running.signal(SIGINT)
                let build = try await running.finished()
                #expect(build.status == 130)
                let end = try await screen(of: terminal) { $0.text.contains("hint: ") }
                expectInOrder(end)
                #expect(end.text.contains("✗ cancelled in ") && end.text.contains("error[cancelled]: "))
            }
        }

        /// Every line that a real build prints, one that runs out of memory included.
        @Test func jsonIsAsItsSchemaSays() async throws {
            try await withScene { scene in
                let eater = "RUN echo eating; busybox dd if=/dev/zero of=/dev/null bs=800M count=1\n"
                _ = try scene.context(Scene.shell + eater)
                let file = try scene.directives(tiers: [("small", 0.5), ("large", 1.5)])
                let build = try await scene.build(["--directives", file, "--progress", "json"])
                #expect(build.status == 0, "\(build.story)")
                let lines = try build.errorText.split(separator: "\n").map { try JSONValue.parse(String($0)) }
                let kinds = lines.compactMap { $0["event"]?.stringValue }
                #expect(
                    Set(kinds).isSuperset(of: [
                        "started", "waiting", "finished", "attempt_started", "attempt_ended", "context",
                        "artifact_started", "artifact_ended", "step", "log", "ended",
                    ]), "\(kinds)")
                #expect(lines.filter { $0["event"] == "attempt_ended" }.map { $0["outcome"] } == ["oom", "succeeded"])
                #expect(kinds.last == "ended")
                let context = lines.last { $0["event"] == "context" }
                #expect(context?["sent_bytes"]?.intValue ?? 0 >= context?["bytes"]?.intValue ?? .max)
                let answer = try await withTemporaryFolder { folder in
                    try Data(JSONValue.array(lines).encodedBytes()).write(to: folder.appending(path: "lines.json"))
                    return try await nickelExport(
                        "(import \"lines.json\") | Array (import \"progress.ncl\").ProgressLine", named: "lines.ncl",
                        in: folder)
                }
                #expect(answer.value != nil, "\(answer.diagnostic)")
            }
        }
    }
}

/// Files of noise: nothing makes them smaller on the way. All but the first are names of the same bytes.
private func fillWithNoise(_ folder: URL, megabytes: Int) throws {
    let size = 64
    let first = folder.appending(path: "noise-0")
    let source = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
    try #require(try source.read(upToCount: size << 20)).write(to: first)
    for number in 1..<(megabytes / size) {
        try FileManager.default.linkItem(at: first, to: folder.appending(path: "noise-\(number)"))
    }
}
