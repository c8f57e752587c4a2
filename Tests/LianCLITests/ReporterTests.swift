import Foundation
import Glibc
import LianBuild
import LianBuildKit
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianCLI

/// The forms of stderr that are not a terminal's.
@Suite struct ReporterTests {
    /// What a reporter writes of these events.
    private func written(
        _ form: ProgressForm, _ environment: [String: String] = [:], _ events: [ProgressEvent]
    ) async throws -> String {
        try await written(events) { makeReporter(form, to: $0, environment: environment) }
    }

    private func written(
        _ events: [ProgressEvent], by makeReporter: (StandardError) -> any BuildReporter
    ) async throws -> String {
        try await withTemporaryFolder { folder in
            let path = folder.appending(path: "stderr").path
            let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
            defer { close(descriptor) }
            let stderr = StandardError(descriptor: descriptor)
            let reporter = makeReporter(stderr)
            for event in events { reporter.report(event) }
            stderr.waitUntilWritten()
            return try String(contentsOfFile: path, encoding: .utf8)
        }
    }

    private func lines(_ text: String) -> [String] {
        // Without the stamp's time.
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            guard let stamp = line.firstRange(of: #/\[ *[0-9]+\.[0-9]s\] /#) else { return String(line) }
            return line[..<stamp.lowerBound] + "> " + line[stamp.upperBound...]
        }
    }

    private static let failure = LianError(
        .buildFailed, .build, "app: 100% of it failed", hint: "Look.", logTail: ["last line"],
        place: SourcePlace(file: "/w/a,b/Dockerfile", line: 3, text: "RUN x"))

    private var failing: [ProgressEvent] {
        [
            .started(.sync, "sending 3 files"), .finished(.sync, "sent"), .started(.build, "app"),
            .log(artifact: "app", Array("#1 one\n::error::not ours\nhalf".utf8)), .note("a note"),
            .log(artifact: "app", Array("rest\n".utf8)), .attemptEnded(number: 1, .failed),
            .started(.teardown, "destroying r-1"), .finished(.teardown, "gone"), .ended(.failure(Self.failure)),
        ]
    }

    @Test func plainIsOneLineForEachFactAndTheWholeLog() async throws {
        let text = try await written(.plain, [:], failing)
        #expect(
            lines(text) == [
                "> sync: sending 3 files", "> sync: sent", "> build: app", "#1 one", "::error::not ours", "half",
                "> a note", "rest", "> teardown: destroying r-1", "> teardown: gone", "> failed",
                "error[build_failed]: app: 100% of it failed", "  Dockerfile:3 | RUN x", "  | last line",
                "hint: Look. (docs/errors.md#build_failed)",
                "",
            ])
        // No terminal: the same.
        #expect(lines(try await written(.tty, ["TERM": "xterm"], failing)) == lines(text))
    }

    @Test func aLongWayOfTheContextIsToldNowAndThen() async throws {
        let far = ContextProgress(
            files: 1, bytes: 2_000_000, sentBytes: 500_000, bytesPerSecond: 100_000, secondsLeft: 14.2)
        let events: [ProgressEvent] = [
            .started(.sync, "sending 1 files"), .context(far),
            .context(ContextProgress(files: 1, bytes: 9, sentBytes: 12)),
        ]
        let text = try await written(events) {
            PlainReporter($0, folding: LogFolds(environment: [:]), contextInterval: .zero)
        }
        #expect(
            lines(text) == [
                "> sync: sending 1 files", "> sync: 25 %, 500.0 kB of 2.0 MB, 100.0 kB/s, 15.0s left, 1 file", "",
            ])
        #expect(lines(try await written(.plain, [:], events)) == ["> sync: sending 1 files", ""])
    }

    /// Of a sparse file of the largest size there is, over a line that hardly moves.
    @Test func aContextBeyondAllNumbersIsToldToo() {
        let begun = ContextProgress(files: 1, bytes: .max, sentBytes: 1, bytesPerSecond: 0.3, secondsLeft: 3e19)
        #expect(contextFacts(begun).first == "0 %")
        let ended = ContextProgress(files: 1, bytes: .max, sentBytes: .max, bytesPerSecond: 1e300, secondsLeft: 0)
        #expect(contextFacts(ended).first == "100 %")
        #expect(contextFacts(ContextProgress(files: 1, bytes: 100, sentBytes: 29)).first == "29 %")
    }

    @Test func logsOfSeveralArtifactsAreToldApart() async throws {
        let logs = [("app", "#1 a\n"), ("app", "#2 a\n"), ("web", "#1 w\n"), ("app", "#3 a\n")]
        let text = try await written(.plain, [:], logs.map { .log(artifact: $0, Array($1.utf8)) })
        #expect(
            lines(text) == ["#1 a", "#2 a", "> build: log of web", "#1 w", "> build: log of app", "#3 a", ""])
    }

    @Test func githubFoldsAndMarksTheLine() async throws {
        let text = try await written(
            .plain, ["GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/w"], failing)
        let token = try #require(text.firstMatch(of: #/::stop-commands::([a-z0-9-]{20,})\n/#)?.output.1)
        #expect(
            lines(text) == [
                "::group::> sync: sending 3 files", "> sync: sent", "::endgroup::", "::group::> build: app",
                "::stop-commands::\(token)", "#1 one", "::error::not ours", "half", "> a note", "rest", "::\(token)::",
                "::endgroup::", "::group::> teardown: destroying r-1", "> teardown: gone", "::endgroup::", "> failed",
                "error[build_failed]: app: 100% of it failed", "  Dockerfile:3 | RUN x", "  | last line",
                "hint: Look. (docs/errors.md#build_failed)",
                "::error file=a%2Cb/Dockerfile,line=3::app: 100%25 of it failed", "",
            ])
    }

    @Test func gitlabFolds() async throws {
        let text = try await written(.plain, ["GITLAB_CI": "true"], failing)
        let begun = text.matches(of: #/\u{1B}\[0Ksection_start:[0-9]+:([a-z_0-9]+)\[collapsed=true\]\r\u{1B}\[0K\[/#)
        let ended = text.matches(of: #/\u{1B}\[0Ksection_end:[0-9]+:([a-z_0-9]+)\r\u{1B}\[0K\n/#)
        #expect(begun.map(\.output.1) == ["lian_build_1", "lian_build_2", "lian_build_3"])
        #expect(ended.map(\.output.1) == begun.map(\.output.1))
        let error = try #require(text.firstRange(of: "error[build_failed]"))
        #expect(ended.allSatisfy { $0.range.upperBound <= error.lowerBound })
    }

    @Test func quietSaysErrorsAlone() async throws {
        #expect(
            lines(try await written(.quiet, [:], failing)) == [
                "error[build_failed]: app: 100% of it failed", "  Dockerfile:3 | RUN x", "  | last line",
                "hint: Look. (docs/errors.md#build_failed)",
                "",
            ])
    }

    @Test(.needsNickel) func jsonIsAsItsSchemaSays() async throws {
        var step = BuildStep(number: 5, name: "[1/2] RUN x")
        step.seconds = 1.5
        let sizing = Sizing(
            source: .p95, size: RunnerSize(cpu: 2, memoryGB: 4.5), timeBudgetMinutes: 60, tier: nil)
        let events: [ProgressEvent] =
            failing + [
                .attemptStarted(number: 1, sizing), .waiting(.spawn, "r-1"), .artifactStarted("app"),
                .context(ContextProgress(files: 3, bytes: 9)),
                .context(ContextProgress(files: 3, bytes: 9, sentBytes: 7, bytesPerSecond: 2.5, secondsLeft: 0)),
                .step(artifact: "app", step), .step(artifact: "app", BuildStep(number: 6, name: "x")),
                .output(artifact: "app", step: 5, lines: ["x"]),
                .artifactEnded("app", .succeeded, digest: "sha256:" + String(repeating: "0", count: 64)),
                .volume(VolumeResult(name: VolumeName("dev/mei-acme/app"), state: .cold, reason: "none_yet")),
                .usage(UsageSample(cores: nil, megabytes: 1.5)), .warning(BuildWarning(.tokenInClear, "m")),
                .ended(ResultEnvelope(status: .succeeded)),
            ]
        let text = try await written(.json, [:], events)
        let values = try text.split(separator: "\n").map { try JSONValue.parse(String($0)) }
        #expect(values.count == events.count - 1)
        try await expectAccepted(values, by: "ProgressLine", of: "progress.ncl")
        let broken: [JSONValue] = [["event": "note", "message": "m"]]
        let answer = try await withTemporaryFolder { folder in
            try Data(JSONValue.array(broken).encodedBytes()).write(to: folder.appending(path: "all.json"))
            return try await nickelExport(
                "(import \"all.json\") | Array (import \"progress.ncl\").ProgressLine", named: "all.ncl", in: folder)
        }
        #expect(answer.value == nil && answer.isVerdict, "\(answer.diagnostic)")
    }
}
