import LianBuild
import LianModel
import Synchronization

/// The forms of stderr.
package enum ProgressForm: String, CaseIterable, Sendable {
    case auto, tty, plain, json, quiet
}

package func makeReporter(_ form: ProgressForm, to stderr: StandardError) -> any BuildReporter {
    switch form {
    case .auto, .tty, .plain: PlainReporter(stderr)
    case .json: JSONReporter(stderr)
    case .quiet: QuietReporter()
    }
}

/// One stamped line per fact; the engine's log as it comes.
private final class PlainReporter: BuildReporter {
    private let stderr: StandardError
    private let start = ContinuousClock.now
    /// Whether the log's last byte ended a line: a fact never starts in the middle of one.
    private let atLineStart = Mutex(true)

    init(_ stderr: StandardError) {
        self.stderr = stderr
    }

    func report(_ event: ProgressEvent) {
        switch event {
        case .attemptStarted(let number, let sizing):
            if number > 1 { fact("attempt \(number): trying once more on \(sizing.description)") }
        case .attemptEnded(let number, let outcome):
            if outcome == .oom { fact("attempt \(number): out of memory") }
        case .started(let phase, let text), .waiting(let phase, let text), .finished(let phase, let text):
            fact("\(phase.rawValue): \(text)")
        case .context, .artifactStarted, .step, .output, .usage: break
        case .artifactEnded(let name, let status, let digest):
            fact("build: \(name): \(digest ?? status.rawValue)")
        case .note(let text): fact(text)
        case .warning(let warning): fact("warning[\(warning.code)]: \(warning.message)")
        case .log(_, let bytes):
            guard let last = bytes.last else { return }
            atLineStart.withLock {
                stderr.write(bytes)
                $0 = last == UInt8(ascii: "\n")
            }
        case .ended(let envelope):
            for line in envelope.status == .planned ? planSummary(envelope) : [summary(envelope)] { fact(line) }
        }
    }

    private func fact(_ text: String) {
        // It may name a file of any name: nothing in it moves a terminal's cursor.
        let line = onOneLine(text, limit: 10_000)
        atLineStart.withLock { fresh in
            stderr.write(Array("\(fresh ? "" : "\n")[\(elapsed())] \(line)\n".utf8))
            fresh = true
        }
    }

    /// Seconds and tenths since the start, in a column of its own.
    private func elapsed() -> String {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        let text = "\(seconds).\(attoseconds / 100_000_000_000_000_000)s"
        return String(repeating: " ", count: max(0, 7 - text.count)) + text
    }
}

/// One object a line.
private struct JSONReporter: BuildReporter {
    let stderr: StandardError

    init(_ stderr: StandardError) {
        self.stderr = stderr
    }

    func report(_ event: ProgressEvent) {
        if let value = json(event) { stderr.line(value.encoded()) }
    }

    private func json(_ event: ProgressEvent) -> JSONValue? {
        switch event {
        case .attemptStarted(let number, let sizing):
            ["event": "attempt_started", "attempt": .integer(number), "sizing": sizing.json]
        case .attemptEnded(let number, let outcome):
            ["event": "attempt_ended", "attempt": .integer(number), "outcome": .string(outcome.rawValue)]
        case .started(let phase, let text): told("started", phase, text)
        case .waiting(let phase, let text): told("waiting", phase, text)
        case .finished(let phase, let text): told("finished", phase, text)
        case .context(let progress):
            [
                "event": "context", "files": .integer(progress.files), "bytes": .integer(progress.bytes),
                "sent_bytes": .integer(progress.sentBytes), "bytes_per_second": progress.bytesPerSecond.json,
                "seconds_left": progress.secondsLeft.json,
            ]
        case .artifactStarted(let name): ["event": "artifact_started", "artifact": .string(name)]
        case .step(let artifact, let step):
            [
                "event": "step", "artifact": .string(artifact), "step": .integer(step.number),
                "name": .string(step.name), "state": .string(step.state.rawValue), "seconds": step.seconds.json,
            ]
        // The log has it all.
        case .output: nil
        case .log(let artifact, let bytes):
            [
                "event": "log", "artifact": .string(artifact),
                "data": .string(String(decoding: bytes, as: UTF8.self)),
            ]
        case .artifactEnded(let name, let status, let digest):
            [
                "event": "artifact_ended", "artifact": .string(name), "status": .string(status.rawValue),
                "digest": digest.json,
            ]
        case .usage(let sample):
            ["event": "usage", "cores": sample.cores.json, "memory_mb": .number(sample.megabytes)]
        case .note(let text): ["event": "note", "message": .string(text)]
        case .warning(let warning):
            ["event": "warning", "code": .string(warning.code), "message": .string(warning.message)]
        case .ended(let envelope):
            ["event": "ended", "status": .string(envelope.status.rawValue), "error": envelope.error?.json ?? .null]
        }
    }

    private func told(_ event: String, _ phase: Phase, _ text: String) -> JSONValue {
        ["event": .string(event), "phase": .string(phase.rawValue), "message": .string(text)]
    }
}

/// How a build ended, in one line.
private func summary(_ envelope: ResultEnvelope) -> String {
    let built = (envelope.artifacts ?? []).filter { $0.status == .succeeded }
    let images = built.map { "\($0.image)\($0.digest.map { "@\($0)" } ?? "")" }
    let took = envelope.timings?.total.map { " in \($0) ms" } ?? ""
    let runner =
        switch envelope.runner?.destroyed {
        case true?: "; the runner is gone"
        case false?: "; THE RUNNER MAY STILL BE THERE"
        case nil: ""
        }
    return "\(envelope.status.rawValue)\(took)\(images.isEmpty ? "" : ": \(images.joined(separator: ", "))")\(runner)"
}

/// Errors only, and those are printed at the end.
private struct QuietReporter: BuildReporter {
    func report(_ event: ProgressEvent) {}
}
