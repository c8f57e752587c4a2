import LianBuild
import LianBuildKit
import LianModel
import LianSystem

/// One object a line, as schemas/progress.ncl says.
struct JSONReporter: BuildReporter {
    private let stderr: StandardError
    private let start = ContinuousClock.now

    init(_ stderr: StandardError) {
        self.stderr = stderr
        stderr.describeLoss { [start] in Self.line(.note(StandardError.loss($0)), since: start) ?? "" }
    }

    func report(_ event: ProgressEvent) {
        if let line = Self.line(event, since: start) { stderr.line(line) }
    }

    func drain(to backlog: Int) async { await stderr.drain(to: backlog) }

    private static func line(_ event: ProgressEvent, since start: ContinuousClock.Instant) -> String? {
        guard var members = members(event) else { return nil }
        members["elapsed_ms"] = .integer((ContinuousClock.now - start).milliseconds)
        return JSONValue.object(members).encoded()
    }

    private static func members(_ event: ProgressEvent) -> [String: JSONValue]? {
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
        case .bringing(let progress):
            [
                "event": "output", "artifact": .string(progress.artifact), "dest": .string(progress.dest),
                "received_bytes": .integer(progress.receivedBytes), "bytes_per_second": progress.bytesPerSecond.json,
            ]
        case .artifactEnded(let name, let status, let digest):
            [
                "event": "artifact_ended", "artifact": .string(name), "status": .string(status.rawValue),
                "digest": digest.json,
            ]
        case .usage(let sample):
            ["event": "usage", "cores": sample.cores.json, "memory_mb": .number(sample.megabytes)]
        case .volume(let volume): (volume.json.objectValue ?? [:]).merging(["event": "volume"]) { $1 }
        case .note(let text): ["event": "note", "message": .string(text)]
        case .warning(let warning):
            ["event": "warning", "code": .string(warning.code.rawValue), "message": .string(warning.message)]
        case .ended(let envelope):
            ["event": "ended", "status": .string(envelope.status.rawValue), "error": envelope.error?.json ?? .null]
        }
    }

    private static func told(_ event: String, _ phase: Phase, _ text: String) -> [String: JSONValue] {
        ["event": .string(event), "phase": .string(phase.rawValue), "message": .string(text)]
    }
}
