import LianBuildKit
import LianMarkup
import LianModel

/// The stages of the build, attempt by attempt.
func whereTheTimeWent(_ record: BuildRecord) -> Markup {
    var groups: [Gantt.Group] = []
    var attempt: Int?
    for (index, span) in record.phases.enumerated() {
        if index == 0 || span.attempt != attempt {
            attempt = span.attempt
            let begun = record.attempts.first { $0.number == attempt }
            let heading = begun.flatMap { record.attempts.count > 1 ? title(of: $0, record) : nil }
            groups.append(Gantt.Group(heading: heading, rows: []))
        }
        let share = Figures.share(span.duration, of: record.total)
        groups[groups.count - 1].rows.append(
            Gantt.Row(
                label: "\(span.phase.title)", kind: kind(ofPhase: index, record), start: span.start, end: span.end,
                figure: "\(Figures.duration(span.duration)) <small>\(share)</small>"))
    }
    guard !groups.isEmpty else { return .nothing }
    let gantt = Gantt(
        label: "Phase", caption: "The phases of the build and the time that each took",
        axis: TimeAxis(from: 0, to: record.total), groups: groups)
    return section("Where the time went", id: "time", gantt.markup)
}

/// An attempt that did not succeed ended in its last phase before the teardown; a build without attempts ended in its
/// last phase.
private func kind(ofPhase index: Int, _ record: BuildRecord) -> String {
    let attempt = record.phases[index].attempt
    let last = record.phases.lastIndex { $0.attempt == attempt && $0.phase != .teardown }
    guard index == last else { return "phase" }
    if let outcome = record.envelope.attempts.first(where: { $0.number == attempt })?.outcome {
        return outcome == .succeeded ? "phase" : outcome == .cancelled ? "cancelled" : "failed"
    }
    guard record.attempts.isEmpty, let error = record.envelope.error else { return "phase" }
    return error.code == .cancelled ? "cancelled" : "failed"
}

func title(of attempt: AttemptRecord, _ record: BuildRecord) -> Markup {
    let outcome = record.envelope.attempts.first { $0.number == attempt.number }?.outcome.word ?? "unfinished"
    return "Attempt \(attempt.number): \(attempt.sizing.name), \(outcome)"
}

/// The steps of each attempt, and the resources that they used.
func attempts(_ record: BuildRecord) -> Markup {
    // The page has room for this many steps, shared by all attempts.
    let most = 300 / max(1, record.attempts.count)
    return Markup(
        record.attempts.map { attempt in
            let title: Markup = record.attempts.count > 1 ? title(of: attempt, record) : "Steps"
            return section(
                title, id: "attempt-\(attempt.number)", AttemptSection(attempt, record, mostSteps: most).markup)
        })
}

/// One attempt: its steps as bars and, under them along the same axis, the load of the runner.
private struct AttemptSection {
    let attempt: AttemptRecord
    let record: BuildRecord
    let shown: ShownSteps
    let axis: TimeAxis

    init(_ attempt: AttemptRecord, _ record: BuildRecord, mostSteps: Int) {
        self.attempt = attempt
        self.record = record
        shown = ShownSteps(attempt.steps, most: mostSteps)
        let moments = attempt.steps.flatMap { [$0.start, $0.end] } + attempt.samples.map(\.at)
        axis = TimeAxis(from: moments.min() ?? attempt.start, to: max(moments.max() ?? 0, attempt.outOfMemoryAt ?? 0))
    }

    var markup: Markup {
        guard !attempt.steps.isEmpty || !attempt.samples.isEmpty else {
            return record.attempts.count > 1 ? "\(verdict)<p>No step was begun.</p>\n" : .nothing
        }
        return "\(verdict)\(legend)\(steps)\(rest)\(usage)"
    }

    private var verdict: Markup {
        guard let oom = record.envelope.attempts.first(where: { $0.number == attempt.number })?.oom else {
            return .nothing
        }
        return "<p><b class=\"bad\">Out of memory.</b> \(oom.sentence)</p>\n"
    }

    /// Explains only the colours that occur.
    private var legend: Markup {
        let kinds: [BuildStep.State] = [.done, .cached, .failed, .cancelled, .running]
        let present = kinds.filter { kind in attempt.steps.contains { $0.state == kind } }
        guard present.count > 1 else { return .nothing }
        return """
            <p class="legend" aria-hidden="true">\
            \(present.map { "<span><span class=\"bar \($0.word)\"></span>\($0.word)</span> " })</p>

            """
    }

    private var steps: Markup {
        guard !shown.shown.isEmpty else { return .nothing }
        var artifacts: [String] = []
        for step in shown.shown where !artifacts.contains(step.artifact) { artifacts.append(step.artifact) }
        let groups = artifacts.map { artifact in
            Gantt.Group(
                heading: (record.envelope.artifacts?.count ?? 0) > 1 ? "\(artifact)" : nil,
                rows: shown.shown.filter { $0.artifact == artifact }.map(row))
        }
        let gantt = Gantt(
            label: "Step", caption: "The steps of the build, when each ran and how it ended", axis: axis,
            groups: groups)
        return gantt.markup
    }

    private func row(_ step: StepRecord) -> Gantt.Row {
        // Some engines count in tenths of a second.
        let time = step.duration == 0 ? "< 0.1 s" : Figures.duration(step.duration)
        let figure: Markup =
            switch step.state {
            case .done: "\(time)"
            case .cached: "cached"
            case .failed: "<span class=\"bad\">failed</span> \(time)"
            case .cancelled, .running: "\(step.state.word) \(time)"
            }
        return Gantt.Row(
            label: label(step.name), kind: step.state.word, start: step.start, end: step.end, figure: figure)
    }

    /// Shows the stage and the count in front of a step less prominently than what the step does.
    private func label(_ name: String) -> Markup {
        let name = onOneLine(name, limit: 240)
        guard name.hasPrefix("["), let close = name.firstIndex(of: "]") else {
            return "<code class=\"soft\">\(name)</code>"
        }
        let rest = name[name.index(after: close)...].drop { $0 == " " }
        let isInternal = name.hasPrefix("[internal]")
        return """
            <code\(isInternal ? " class=\"soft\"" : .nothing)><span class="soft">\(String(name[...close]))</span> \
            \(String(rest))</code>
            """
    }

    private var rest: Markup {
        guard !shown.left.isEmpty else { return .nothing }
        let cached = shown.left.count { $0.state == .cached }
        let longest = shown.left.map(\.duration).max() ?? 0
        return """
            <p class="soft">Not drawn: \(counted(shown.left.count, "more step")), \
            \(cached) of them cached. None took longer than \(Figures.duration(longest)); \
            together they took \(Figures.duration(shown.left.reduce(0) { $0 + $1.duration })).</p>

            """
    }

    private var usage: Markup {
        guard !attempt.samples.isEmpty else { return .nothing }
        let size = attempt.sizing.size
        let processors = UsagePlot(
            name: "CPU", kind: "processors",
            points: attempt.samples.compactMap { sample in sample.cores.map { (sample.at, Figures.bounded($0)) } },
            limit: Double(size.cpu), axis: axis, outOfMemoryAt: attempt.outOfMemoryAt, namesTheFall: false
        ) { "\(Figures.decimal($0)) \(Figures.decimal($0) == "1" ? "core" : "cores")" }
        let memory = UsagePlot(
            name: "Memory", kind: "memory", points: attempt.samples.map { ($0.at, Figures.bounded($0.megabytes)) },
            limit: size.memoryGB * 1024, axis: axis, outOfMemoryAt: attempt.outOfMemoryAt, namesTheFall: true
        ) { Figures.memory(megabytes: $0) }
        let plots: Markup = "\(processors.markup)\(memory.markup)"
        guard !plots.text.isEmpty else {
            return "<p class=\"soft\">Too short to measure: \(counted(attempt.samples.count, "sample")).</p>\n"
        }
        return "<div class=\"use begin\"><h3>What the runner had to do</h3>\(axis.markup)</div>\n\(plots)"
    }
}
