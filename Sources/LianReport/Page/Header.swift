import LianBuildKit
import LianMarkup
import LianModel

/// How the build ended, what was built, and the figures that a reader looks for first.
func header(_ record: BuildRecord) -> Markup {
    let envelope = record.envelope
    return """
        <header>
        <p class="brand">lian-build</p>
        <h1 class="\(envelope.status.kind)"><span aria-hidden="true">\(envelope.status.sign)</span> \
        \(envelope.status.opening) <span class="whole">\(Figures.duration(record.total))</span></h1>
        \(subject(envelope))\(lead(record))</header>
        \(facts(record))
        """
}

private func subject(_ envelope: ResultEnvelope) -> Markup {
    guard let artifacts = envelope.artifacts, let first = artifacts.first else { return .nothing }
    if artifacts.count > 1 {
        let names = artifacts.prefix(12).map(\.name).joined(separator: ", ")
        let more = artifacts.count > 12 ? ", …" : ""
        return "<p class=\"subject\">\(counted(artifacts.count, "image")): \(names)\(more)</p>\n"
    }
    let digest: Markup = first.digest.map { "<p class=\"digest\"><code>\($0)</code></p>\n" } ?? .nothing
    let tags: Markup =
        first.tags.isEmpty
        ? .nothing : "<p class=\"tags\">also \(first.tags.prefix(20).map { "<code>\($0)</code> " })</p>\n"
    return "<p class=\"subject\"><code>\(first.title)</code></p>\n\(digest)\(tags)"
}

/// Says in a sentence or two what took the time.
private func lead(_ record: BuildRecord) -> Markup {
    guard let longest = longestPhase(record) else { return .nothing }
    var text: Markup = """
        \(Figures.share(longest.duration, of: record.total)) of it went into \
        “\(longest.phase.title)”.
        """
    let steps = record.attempts.flatMap(\.steps).filter { $0.state != .cached }
    if let step = steps.max(by: { $0.duration < $1.duration }), step.duration > 0 {
        text +=
            " The longest step took \(Figures.duration(step.duration)): <code>\(onOneLine(step.name, limit: 120))</code>"
    }
    return "<p class=\"lead\">\(text)</p>\n"
}

private func longestPhase(_ record: BuildRecord) -> PhaseSpan? {
    var sums: [PhaseSpan] = []
    for span in record.phases {
        if let index = sums.firstIndex(where: { $0.phase == span.phase }) {
            sums[index].end += span.duration
        } else {
            sums.append(PhaseSpan(span.phase, attempt: nil, start: 0, end: span.duration))
        }
    }
    return sums.filter { $0.duration > 0 }.max { $0.duration < $1.duration }
}

private func facts(_ record: BuildRecord) -> Markup {
    let envelope = record.envelope
    var facts: [Markup] = []
    func add(_ name: Markup, _ value: Markup, _ note: Markup? = nil) {
        let small: Markup = note.map { " <small>\($0)</small>" } ?? .nothing
        facts.append("<div><dt>\(name)</dt><dd>\(value)\(small)</dd></div>\n")
    }
    if let sizing = envelope.sizing {
        add("Runner", "\(sizing.name)", "\(sizing.measure), \(sizing.reason)")
    }
    for runner in envelope.everyRunner {
        add(
            "After the build",
            runner.destroyed ? "runner gone" : "<span class=\"bad\">runner may still be there</span>",
            runner.id.map { "\($0)" })
    }
    if let usage = envelope.usage {
        let parts = [
            usage.cpuPeak.map { "\(Figures.decimal($0)) cores" },
            usage.memoryMBPeak.map { Figures.memory(megabytes: $0) },
        ]
        add(
            "Peak use", "\(parts.compactMap { $0 }.joined(separator: ", "))",
            "\(counted(usage.samples, "sample"))")
    }
    let steps = (envelope.artifacts ?? []).compactMap(\.steps)
    if !steps.isEmpty {
        let cached = steps.reduce(0) { $0 + $1.cached }
        add(
            "Steps", "\(steps.reduce(0) { $0 + $1.total })",
            "\(cached) from the cache")
    }
    if let volume = envelope.volume, volume.state != .none {
        add("Volume", "\(volume.state.rawValue)", "\(volume.summary)")
    }
    if let context = envelope.context {
        add("Context", "\(Figures.bytes(context.bytes))", "\(counted(context.files, "file"))")
    }
    if let sizing = envelope.sizing {
        add("Time budget", "\(counted(sizing.timeBudgetMinutes, "minute"))")
    }
    if let workspace = envelope.workspace {
        add("Workspace", "\(workspace)", "\(envelope.actor ?? envelope.mode ?? "")")
    }
    add("Begun", "\(date(record.begun))", "\(timeOfDay(record.begun)) UTC")
    return "<dl class=\"facts\">\n\(facts)</dl>\n"
}

private func date(_ time: UTCTime) -> String { String(time.rfc3339.prefix(10)) }

private func timeOfDay(_ time: UTCTime) -> String { String(time.rfc3339.dropFirst(11).prefix(8)) }

/// What went wrong, what to do next, and the last lines of the log.
func failure(_ envelope: ResultEnvelope) -> Markup {
    guard let error = envelope.error else { return .nothing }
    let log: Markup =
        error.logTail.isEmpty
        ? .nothing
        : "<pre tabindex=\"0\" aria-label=\"The last lines of the log\">\(error.logTail.suffix(100).map { "\($0)\n" })</pre>\n"
    return section(
        "What went wrong", id: "error", kind: " class=\"error\"",
        """
        <p class="message">\(error.message)</p>
        \(log)<p><b>Next:</b> \(error.advice)</p>
        <p class="soft"><code>\(error.code.rawValue)</code> in \(error.phase.title.lowercased())</p>

        """)
}
