import LianBuild
import LianModel
import LianSystem

/// The block of what goes on, drawn anew for each frame.
extension BuildScreen {
    /// As many lines as fit, less one for the cursor, which stands below them.
    func block(columns: Int, rows: Int, at now: ContinuousClock.Instant) -> [TerminalLine] {
        guard isRunning else { return [] }
        let limit = max(1, rows - 1)
        var head: [TerminalLine] = []
        var isBuilding = false
        for phase in phases {
            head.append(line(of: phase, at: now))
            switch phase.phase {
            case .sync: head += context.map { contextLines($0, columns: columns) } ?? []
            case .build:
                isBuilding = true
                head += bringing.sorted { $0.key < $1.key }.map {
                    TerminalLine("  ").adding(outputFacts($0.value).joined(separator: ", "))
                }
            default: break
            }
        }
        var foot = gauges(columns: columns, at: now)
        if head.count + foot.count > limit { foot = [] }
        let steps = isBuilding ? stepLines(room: limit - head.count - foot.count, at: now) : []
        return Array((head + steps + foot).prefix(limit))
    }

    private func spinner(at now: ContinuousClock.Instant, since start: ContinuousClock.Instant) -> String {
        let frames = look.spinner
        return frames[max(0, (now - start).milliseconds) / 100 % frames.count]
    }

    private func line(of phase: RunningPhase, at now: ContinuousClock.Instant) -> TerminalLine {
        let text = phase.phase == .build ? "\(phase.text): \(stepsSoFar)" : phase.text
        return heading(spinner(at: now, since: phase.since), .accent, phase.phase.rawValue, now - phase.since, text)
    }

    private func contextLines(_ progress: ContextProgress, columns: Int) -> [TerminalLine] {
        var facts = contextFacts(progress)
        if columns >= Self.wide {
            let fraction = progress.bytes > 0 ? Double(progress.sentBytes) / Double(progress.bytes) : 1
            facts[0] = "\(look.bar(fraction, cells: Self.barCells * 2)) \(facts[0])"
        }
        return packed(facts.map { TerminalLine($0).measured(look) }, columns: columns)
    }

    /// The running steps, the first ones where there is no room for all, each with the last lines that it printed.
    private func stepLines(room: Int, at now: ContinuousClock.Instant) -> [TerminalLine] {
        let running = artifacts.flatMap { artifact in
            artifact.steps.sorted { $0.key < $1.key }.map { (artifact: artifact.name, step: $0.value) }
        }
        guard room > 0, !running.isEmpty else { return [] }
        let shown = running.count <= room ? running : Array(running.prefix(room - 1))
        let printed = shown.isEmpty ? 0 : (room - shown.count) / shown.count
        var lines: [TerminalLine] = []
        for (artifact, step) in shown {
            lines.append(stepLine(spinner(at: now, since: step.since), .accent, now - step.since, artifact, step.name))
            for line in step.lines.suffix(printed) {
                lines.append(TerminalLine("    \(look.margin) ", .faint).adding(asLastShown(line), .faint))
            }
        }
        let left = running.count - shown.count
        return left == 0 ? lines : lines + [TerminalLine("    and \(Figures.count(left, "more step"))", .faint)]
    }

    /// The runner's use against its size, and the time against its budget.
    private func gauges(columns: Int, at now: ContinuousClock.Instant) -> [TerminalLine] {
        guard let sizing, let attemptStart, !phases.contains(where: { $0.phase == .teardown }) else { return [] }
        let isWide = columns >= Self.wide
        func gauge(
            _ name: String, _ part: Double, _ text: String, isScarce: Bool = true
        ) -> (line: TerminalLine, cells: Int) {
            let style: TerminalLine.Style = !isScarce || part < 0.8 ? .good : part < 0.95 ? .warning : .bad
            var line = TerminalLine("\(name) ", .faint)
            if isWide { line.add("\(look.bar(part, cells: Self.barCells)) ", style) }
            line.add(text, isWide || style == .good ? .plain : style)
            return line.measured(look)
        }
        var parts: [(line: TerminalLine, cells: Int)] = []
        if let usage {
            let megabytes = sizing.size.memoryGB * 1024
            let memory = JSONValue.number(sizing.size.memoryGB).encoded()
            parts.append(gauge("mem", usage.megabytes / megabytes, "\(tenths(usage.megabytes / 1024))/\(memory) GB"))
            if let cores = usage.cores {
                // Having all cores busy is what one pays for, so it is no reason for a warning.
                let part = cores / Double(sizing.size.cpu)
                let text = "\(tenths(cores))/\(sizing.size.cpu)"
                parts.insert(gauge("cpu", part, text, isScarce: false), at: 0)
            }
        }
        let budget = Duration.seconds(sizing.timeBudgetMinutes * 60)
        let elapsed = now - attemptStart
        parts.append(gauge("time", elapsed / budget, "\(time(elapsed)) of \(sizing.timeBudgetMinutes)m"))
        return packed(parts, columns: columns)
    }

    private static let wide = 72
    private static let barCells = 8

    /// Parts side by side, on as few lines as they fit.
    private func packed(_ parts: [(line: TerminalLine, cells: Int)], columns: Int) -> [TerminalLine] {
        let indent = 2
        var lines: [TerminalLine] = []
        var cells = 0
        for part in parts {
            if lines.isEmpty || cells + 2 + part.cells > columns {
                lines.append(TerminalLine("  ").adding(part.line))
                cells = indent + part.cells
            } else {
                lines[lines.count - 1] = lines[lines.count - 1].adding("  ").adding(part.line)
                cells += 2 + part.cells
            }
        }
        return lines
    }
}

extension TerminalLine {
    fileprivate func measured(_ look: TerminalLook) -> (line: TerminalLine, cells: Int) {
        (self, rendered(columns: .max, look).cells)
    }
}
