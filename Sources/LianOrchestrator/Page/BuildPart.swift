import LianMarkup
import LianModel

/// One build: what goes on now, and what its attempts told.
struct BuildPart {
    let workspace: String
    let id: String
    /// Those of its runners that are there.
    let runners: [Overview.Runner]
    /// nil where none of its attempts has told of itself.
    let reported: ReportedBuild?

    /// nil where nothing is known of the build.
    init?(workspace: String, id: String, runners: [Overview.Runner], reported: ReportedBuild?) {
        self.workspace = workspace
        self.id = id
        self.runners = runners.filter { $0.record.workspace == workspace && $0.record.buildID == id }
        self.reported = reported
        if self.runners.isEmpty && reported == nil { return nil }
    }

    var markup: Markup {
        let attempts = reported?.attempts ?? []
        let outcome: Markup = attempts.last?.report.outcome.markup ?? "<b>not through yet</b>"
        return Markup([
            """
            <h2><code>\(id)</code></h2>
            <p>Workspace \(workspace): \(runners.isEmpty ? outcome : "<b>it is on a runner now</b>").\(retryMarkup)</p>

            """,
            section("On a runner now", id: "now", runners.isEmpty ? .nothing : runnersTable(runners).markup),
            Markup(
                attempts.map { attempt in
                    section(
                        "Attempt \(attempt.report.attempt)", id: "attempt-\(attempt.report.attempt)", facts(attempt))
                }),
        ])
    }

    private var retryMarkup: Markup {
        guard let attempts = reported?.attempts, attempts.count > 1, attempts.first?.report.outcome == .oom else {
            return .nothing
        }
        return " Memory ran out at the first attempt, so that it was tried once more on a larger runner."
    }

    private func facts(_ attempt: ReportedAttempt) -> Markup {
        let report = attempt.report
        let size: Markup =
            attempt.cpu.map { WireSize(tier: nil, cpu: $0, memoryMB: attempt.memoryMB ?? 0).markup } ?? "not known"
        let entries: [(name: String, value: Markup?)] = [
            ("Outcome", report.outcome.markup), ("Time", "\(Figures.timeTaken(seconds: report.durationSeconds))"),
            ("Size", "\(report.tier.map { "\($0): " } ?? "")\(size)"), ("Memory at most", attempt.memoryMarkup),
            ("Cores at most", report.cpuPeak.map { "\(Figures.decimal($0))" }),
            ("Steps", report.stepsTotal.map { "\($0), of which \(report.stepsCached ?? 0) cached" }),
            ("Volume", report.volumeMarkup), ("Image", report.imageBytes.map { "\(Figures.bytes($0))" }),
            ("Artifacts", report.artifacts.map { "\($0.joined(separator: ", "))" }),
            ("Runner", report.runnerID.map { "<code>\($0)</code>" }), ("Told at", attempt.recordedAt?.markup),
        ]
        let known: [Markup] = entries.compactMap { entry in
            entry.value.map { "<div><dt>\(entry.name)</dt><dd>\($0)</dd></div>\n" }
        }
        return """
            \(error(report))<dl class="facts">
            \(known)</dl>
            \(timings(report))
            """
    }

    private func error(_ report: MetricsReport) -> Markup {
        guard let text = report.errorCode else { return .nothing }
        let words: Markup =
            ErrorCode(rawValue: text).map { code in
                " \(code.inShort) <small>docs/errors.md#\(code.rawValue) says what to do.</small>"
            } ?? .nothing
        return "<p class=\"message\"><code>\(text)</code>\(words)</p>\n"
    }

    private func timings(_ report: MetricsReport) -> Markup {
        let stages = (report.timingsMS ?? [:]).filter { $0.key != "total" }
        guard !stages.isEmpty else { return .nothing }
        let known = Stage.allCases.compactMap { stage in stages[stage.rawValue].map { (stage.title, $0) } }
        let others = stages.filter { Stage(rawValue: $0.key) == nil }.sorted { $0.key < $1.key }
        let all = known + others.map { ($0.key, $0.value) }
        let whole = all.map { Figures.bounded(Double($0.1)) }.reduce(0, +)
        return PageTable(
            kind: "timings", caption: "How long each stage took; a bar is a share of all of them",
            columns: ["Stage", "Time"],
            rows: all.map { title, time in
                let bar = PageBar(pieces: [.init(kind: "run", amount: Double(time))], whole: whole)
                return ["\(title)", "\(bar.markup)\(Figures.duration(time))"]
            }
        ).markup
    }

    /// The stages that lian-build tells of, in their order.
    private enum Stage: String, CaseIterable {
        case resolve, spawn, ready, sync, build, teardown

        var title: String { Phase(rawValue: rawValue)?.title ?? "Runner ready" }
    }
}
