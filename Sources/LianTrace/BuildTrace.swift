import LianBuildKit
import LianModel
import LianReport

/// A build's record as spans: the build, its attempts, their phases, and their steps below the phase that ran them.
struct BuildTrace {
    private let record: BuildRecord
    private let context: TraceContext

    init(_ record: BuildRecord, in context: TraceContext) {
        self.record = record
        self.context = context
    }

    var spans: [Span] {
        let attempts = record.attempts.map { ($0, span(of: $0)) }
        let phases = record.phases.map { phase in
            // A runner is removed when its attempt is over.
            let attempt = phase.phase == .teardown ? nil : attempts.first { $0.0.number == phase.attempt }?.1
            return (phase, span(of: phase, below: attempt?.id ?? context.spanID))
        }
        let steps = attempts.flatMap { attempt, own in
            let runs = phases.first { $0.0.attempt == attempt.number && $0.0.phase == .build }
            return attempt.steps.map { span(of: $0, below: (runs?.1 ?? own).id) }
        }
        return [build] + attempts.map(\.1) + phases.map(\.1) + steps
    }

    private var build: Span {
        let envelope = record.envelope
        var span = Span(
            id: context.spanID, below: context.parentID, "lian-build", from: moment(0), to: moment(record.total))
        span.attributes = [
            "lian.build_id": envelope.buildID.json, "lian.workspace": envelope.workspace.json,
            "lian.mode": envelope.mode.json, "lian.actor": envelope.actor.json,
            "lian.status": .string(envelope.status.rawValue),
            "lian.artifacts": .array((envelope.artifacts ?? []).map { .string($0.name) }),
            "lian.runner.destroyed": envelope.runner?.destroyed.json ?? .null,
            "lian.cpu_peak": envelope.usage?.cpuPeak.json ?? .null,
            "lian.memory_mb_peak": envelope.usage?.memoryMBPeak.json ?? .null,
            "lian.context.bytes": envelope.context?.bytes.json ?? .null,
            "lian.context.sent_bytes": envelope.context?.sentBytes.json ?? .null,
            "error.type": envelope.error?.code.rawValue.json ?? .null,
        ]
        span.failure = envelope.error?.message
        return span
    }

    private func span(of attempt: AttemptRecord) -> Span {
        let result = record.envelope.attempts.first { $0.number == attempt.number }
        // The first of several ended on a runner whose id no envelope names.
        let runner = attempt.number == record.attempts.last?.number ? record.envelope.runner : nil
        var span = Span(
            below: context.spanID, "attempt \(attempt.number)", from: moment(attempt.start), to: moment(attempt.end))
        let size = attempt.sizing.size
        span.attributes = [
            "lian.attempt": .integer(attempt.number), "lian.runner.id": runner?.id.json ?? .null,
            "lian.runner.provider": runner?.provider.json ?? .null, "lian.runner.tier": attempt.sizing.tier.json,
            "lian.runner.cpu": .integer(size.cpu), "lian.runner.memory_gb": .number(size.memoryGB),
            "lian.time_budget_minutes": .integer(attempt.sizing.timeBudgetMinutes),
            "lian.outcome": result?.outcome.rawValue.json ?? .null, "lian.exit_code": result?.exitCode.json ?? .null,
            "lian.registry_retries": result?.registryRetries.json ?? .null,
            "lian.disk_fill": result?.diskFill?.rawValue.json ?? .null,
        ]
        if let outcome = result?.outcome, outcome != .succeeded { span.failure = outcome.rawValue }
        if let end = attempt.outOfMemoryAt { span.events = [("out of memory", moment(end))] }
        return span
    }

    private func span(of phase: PhaseSpan, below parent: String) -> Span {
        var span = Span(
            below: parent, phase.phase.rawValue, from: moment(phase.start), to: moment(phase.end))
        span.attributes = ["lian.attempt": phase.attempt.json]
        return span
    }

    private func span(of step: StepRecord, below parent: String) -> Span {
        var span = Span(
            below: parent, onOneLine(step.name, limit: 240), from: moment(step.start), to: moment(step.end))
        span.attributes = [
            "lian.artifact": .string(step.artifact), "lian.step.state": .string(step.state.rawValue),
            "lian.step.cached": .bool(step.state == .cached),
        ]
        if step.state == .failed || step.state == .cancelled { span.failure = step.state.rawValue }
        return span
    }

    private func moment(_ milliseconds: Int) -> Int { record.begun.milliseconds + milliseconds }
}
