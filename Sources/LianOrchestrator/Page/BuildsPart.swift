import LianMarkup
import LianModel

/// The builds that told of themselves lately, as a part of the page.
struct BuildsPart {
    /// The newest one first.
    let builds: [ReportedBuild]

    static let most = 500

    var markup: Markup {
        section("Builds", id: "builds", builds.isEmpty ? emptyMarkup : table.markup)
    }

    private var emptyMarkup: Markup {
        emptiness(
            """
            No build has told of itself yet. <code>lian-build build</code> does so when it is through, with a token of \
            the role build or admin.
            """)
    }

    private var table: PageTable {
        let longest = builds.map(\.seconds).max() ?? 0
        return PageTable(
            kind: "builds",
            caption: """
                The last \(counted(builds.count, "build")), the newest first. A bar of time is a share of the longest, \
                \(Figures.timeTaken(seconds: longest)); a bar of memory is a share of the runner’s.
                """,
            columns: ["Build", "Outcome", "Time", "Memory", "Volume"],
            rows: builds.map { row($0, longest) })
    }

    private func row(_ build: ReportedBuild, _ longest: Double) -> [Markup] {
        guard let last = build.attempts.last else { return [] }
        let when: Markup = last.recordedAt.map { ", \($0.markup)" } ?? .nothing
        let time = PageBar(
            pieces: build.attempts.map { .init(kind: $0.report.outcome.kind, amount: $0.report.durationSeconds) },
            whole: longest)
        let link = buildLink(build.buildID, in: build.workspace, "\(build.buildID)")
        return [
            "\(link) <small>\(build.workspace)\(when)</small>",
            "\(last.report.outcome.markup)\(build.retryMarkup)\(last.report.codeMarkup)",
            "\(time.markup)\(Figures.timeTaken(seconds: build.seconds))",
            last.memoryMarkup,
            last.report.volumeMarkup,
        ]
    }
}

extension ReportedBuild {
    /// How long all attempts took together.
    fileprivate var seconds: Double { attempts.map { Figures.bounded($0.report.durationSeconds) }.reduce(0, +) }

    fileprivate var retryMarkup: Markup {
        guard attempts.count > 1, let first = attempts.first else { return .nothing }
        return " <small>at attempt \(attempts.last?.report.attempt ?? 2), after: \(first.report.outcome.word)</small>"
    }
}

extension MetricsReport {
    fileprivate var codeMarkup: Markup {
        errorCode.map { " <small><code>\($0)</code></small>" } ?? .nothing
    }

    var volumeMarkup: Markup {
        let kept: Markup = self.kept.map { $0 ? ", kept" : ", not kept" } ?? .nothing
        return "\(volumeState ?? "not asked for")\(kept)"
    }
}

extension ReportedAttempt {
    /// How much memory it took at most, of how much there was.
    var memoryMarkup: Markup {
        guard let peak = report.memoryMBPeak.map(Figures.bounded) else { return "not measured" }
        guard let memoryMB else { return "\(Figures.memory(megabytes: peak))" }
        let bar = PageBar(
            pieces: [.init(kind: report.outcome == .oom ? "bad" : "memory", amount: peak)], whole: Double(memoryMB))
        return """
            \(bar.markup)\(Figures.memory(megabytes: peak)) of \(Figures.memory(megabytes: Double(memoryMB)))
            """
    }
}

extension AttemptOutcome {
    /// The name in the style sheet.
    var kind: String {
        switch self {
        case .succeeded: "good"
        case .failed, .oom, .timedOut: "bad"
        case .cancelled: "stopped"
        }
    }

    /// The sign beside the word is for those who look: colour alone tells nothing.
    var markup: Markup {
        let sign =
            switch self {
            case .succeeded: "✓"
            case .failed, .oom, .timedOut: "✕"
            case .cancelled: "–"
            }
        return "<b class=\"\(kind)\"><span aria-hidden=\"true\">\(sign)</span> \(word)</b>"
    }
}

extension Figures {
    static func timeTaken(seconds: Double) -> String { duration(Int(bounded(seconds) * 1000)) }
}
