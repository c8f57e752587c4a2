import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// `--report`, on every way that a build can end.
    @Suite struct ReportTests {
        private static let secret = "secret-that-a-step-prints-77e1"

        private func page(_ file: URL) throws -> String { try String(contentsOf: file, encoding: .utf8) }

        private func file(_ scene: Scene) throws -> URL {
            let folder = scene.folder.appending(path: "reports")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            return folder.appending(path: "report.html")
        }

        private func expect(_ page: String, holds texts: [String], _ build: FinishedBuild) {
            for text in texts { #expect(page.contains(text), "\(text): \(build.story)") }
            // Whole, and nothing of its making is left beside it.
            #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
        }

        /// Until a curve can be drawn of what the step used: three samples that came while it ran.
        private func untilMeasured(_ running: RunningBuild, during gate: StepGate) async throws {
            func samples() -> Int { running.errorText.components(separatedBy: "\"event\":\"usage\"").count - 1 }
            #expect(await eventually { gate.isReached || !running.isRunning }, "\(running.errorText)")
            let before = samples()
            #expect(await eventually { samples() >= before + 3 || !running.isRunning }, "\(running.errorText)")
        }

        @Test func ofABuildThatSucceeds() async throws {
            try await withScene { scene in
                let file = try file(scene)
                try "an older one".write(to: file, atomically: true, encoding: .utf8)
                let gate = try StepGate()
                let context = try scene.context(
                    """
                    \(Scene.shell)RUN --mount=type=secret,id=npm echo "<b>$(busybox cat /run/secrets/npm)</b>" && \
                    { \(gate.waiting); } && echo "<script>" > /made
                    """, files: ["large.bin": String(repeating: "x", count: 200_000)])
                let running = try scene.start(
                    scene.flags(context) + [
                        "--secret", "id=npm,env=NPM_TOKEN", "--build-arg", "A=value-of-an-argument", "--report",
                        file.path, "--progress", "json",
                    ],
                    environment: ["NPM_TOKEN": Self.secret])
                try await untilMeasured(running, during: gate)
                gate.open()
                let build = try await running.finished()
                try #require(build.status == 0, "\(build.story)")
                let page = try page(file)
                expect(
                    page,
                    holds: [
                        "Succeeded in", scene.image(), build.digest ?? "?", "runner gone", build.runnerID ?? "?",
                        "Send the context", "Tear down", "COPY busybox /bin/busybox", "large.bin", "200.0 kB",
                        "&quot;&lt;script&gt;&quot; &gt; /made", "aria-label=\"Memory: at most", "id=\"next\"",
                        build["build_id"].stringValue ?? "?",
                    ], build)
                #expect(!page.contains(Self.secret) && !page.contains("value-of-an-argument"))
                #expect(!page.contains("<script"))
                #expect(!build.warningCodes.contains { $0.hasPrefix("report") })
                let beside = try FileManager.default.contentsOfDirectory(atPath: file.deletingLastPathComponent().path)
                #expect(beside == ["report.html"])
                let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
                #expect(mode == 0o644)
                guard Browser.executable != nil else { return }
                try await withBrowser { browser in
                    try await browser.show(file, width: 360)
                    #expect(try await browser.evaluate("document.documentElement.scrollWidth") == 360)
                    let bars = try await browser.evaluate(
                        "[...document.querySelectorAll('#attempt-1 ~ .gantt .bar.run')].length")
                    #expect(bars.intValue ?? 0 >= 2)
                }
            }
        }

        @Test func ofAStepThatFails() async throws {
            try await withScene { scene in
                let file = try file(scene)
                let context = try scene.context(Scene.shell + "RUN echo 'the <last> line'; exit 3\n")
                // Seen from the folder of the caller.
                let build = try await scene.build(context: context, ["--report=reports/report.html"])
                #expect(build.status == 1, "\(build.story)")
                expect(
                    try page(file),
                    holds: [
                        "Failed after", "What went wrong", "the &lt;last&gt; line\n", "<code>build_failed</code>",
                        "class=\"bar failed\"", "runner gone",
                    ], build)
            }
        }

        @Test func ofARetryAfterOutOfMemory() async throws {
            try await withScene { scene in
                let file = try file(scene)
                let gate = try StepGate()
                _ = try scene.context(
                    Scene.shell + "RUN \(gate.waiting); busybox dd if=/dev/zero of=/dev/null bs=800M count=1\n")
                let directives = try scene.directives(tiers: [("small", 0.5), ("large", 1.5)])
                let running = try scene.start(
                    ["--directives", directives, "--report", file.path, "--progress", "json"])
                try await untilMeasured(running, during: gate)
                gate.open()
                let build = try await running.finished()
                try #require(build.status == 0, "\(build.story)")
                expect(
                    try page(file),
                    holds: [
                        "Succeeded in", "Attempt 1: small, out of memory", "Attempt 2: large, succeeded",
                        "class=\"fall\"", "Out of memory.",
                    ], build)
            }
        }

        @Test func ofABuildThatIsEnded() async throws {
            try await withScene { scene in
                let file = try file(scene)
                let context = try scene.context(Scene.shell + "RUN echo begun; busybox sleep 600\n")
                let running = try scene.start(scene.flags(context) + ["--report", file.path])
                try await running.says(" begun\n")
                #expect(!FileManager.default.fileExists(atPath: file.path))
                running.signal(SIGTERM)
                let build = try await running.finished()
                #expect(build.status == 143, "\(build.story)")
                expect(try page(file), holds: ["Cancelled after", "cancelled", "runner gone"], build)
            }
        }

        @Test func ofABuildThatNeverHadARunner() async throws {
            try await withScene { scene in
                let file = try file(scene)
                let build = try await scene.build(
                    context: try scene.context("FROM scratch\n"), ["--dockerfile", "None", "--report", file.path])
                #expect(build.status == 2, "\(build.story)")
                expect(try page(file), holds: ["Failed after", "dockerfile_missing", "--dockerfile"], build)
            }
        }

        /// Where its folder is gone in the end, the build is as good as ever.
        @Test func thatCannotBeWritten() async throws {
            try await withScene { scene in
                let file = try file(scene)
                let gate = try StepGate()
                let context = try scene.context(Scene.shell + "RUN echo begun; \(gate.waiting); echo made > /made\n")
                let running = try scene.start(scene.flags(context) + ["--report", file.path])
                try await running.says(" begun\n")
                try FileManager.default.removeItem(at: file.deletingLastPathComponent())
                gate.open()
                let build = try await running.finished()
                #expect(build.status == 0 && build["status"] == "succeeded", "\(build.story)")
                #expect(build.warningCodes.contains("report_not_written"))
                #expect(build.errorText.contains("warning[report_not_written]: \(file.path): No such file"))
            }
        }
    }
}
