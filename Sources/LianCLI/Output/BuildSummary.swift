import LianBuildKit
import LianModel

/// How a build ended, for a person: what came of it, and what it took.
struct BuildSummary {
    /// "succeeded in 12.3s".
    let title: String
    /// Each a label and what there is to say.
    private(set) var facts: [(label: String, text: String)] = []

    init(_ envelope: ResultEnvelope, slowest: [BuildStep]) {
        let took = envelope.timings?.total.map { " in \(time(.milliseconds($0)))" } ?? ""
        title = Self.words[envelope.status, default: envelope.status.rawValue] + took
        addImages(envelope.artifacts ?? [])
        for output in envelope.outputs ?? [] { add("output", "\(output.dest): \(Figures.bytes(output.bytes))") }
        addSize(envelope)
        addSteps(envelope.artifacts ?? [], slowest)
        if let volume = envelope.volume, volume.state != .none { add("volume", volume.summary) }
        addTimes(envelope.timings)
        for runner in envelope.everyRunner {
            let name = runner.id ?? "of unknown name"
            add("runner", runner.destroyed ? "\(name) is gone" : "\(name) MAY STILL BE THERE")
        }
    }

    private static let words: [ResultEnvelope.Status: String] = [.timedOut: "timed out"]

    private mutating func add(_ label: String, _ text: String) {
        facts.append((label, text))
    }

    private mutating func addImages(_ artifacts: [ArtifactResult]) {
        for artifact in artifacts where artifact.status != nil {
            guard let image = artifact.image else { continue }
            let built = artifact.digest.map { "\(image)@\($0)" } ?? image
            switch (artifact.status, artifact.pushed) {
            case (.succeeded, false?): add("image", "\(built): not pushed")
            case (.succeeded, _): add("image", built)
            default: add("image", "\(image): \(artifact.status?.rawValue ?? "")")
            }
        }
    }

    private mutating func addSize(_ envelope: ResultEnvelope) {
        guard let sizing = envelope.sizing, !envelope.attempts.isEmpty else { return }
        var text = "\(sizing.description), \(sizing.reason)"
        if envelope.attempts.count > 1, let first = envelope.attempts.first {
            if first.oom != nil { text += ", one tier up after out of memory" }
            if first.diskFill != nil { text += ", a larger tier after a full disk" }
        }
        add("size", text)
        if let usage = envelope.usage {
            let cores = usage.cpuPeak.map { "\(tenths($0)) cores" }
            let memory = usage.memoryMBPeak.map { "\(tenths($0 / 1024)) GB" }
            add("used", [cores, memory].compactMap { $0 }.joined(separator: " and ") + " at most")
        }
    }

    private mutating func addSteps(_ artifacts: [ArtifactResult], _ slowest: [BuildStep]) {
        let steps = artifacts.compactMap(\.steps)
        let total = steps.reduce(0) { $0 + $1.total }
        guard total > 0 else { return }
        add("steps", "\(total), of which \(steps.reduce(0) { $0 + $1.cached }) cached")
        for step in slowest {
            add("slow", "\(time(.milliseconds(step.milliseconds ?? 0))) \(step.name)")
        }
    }

    private mutating func addTimes(_ timings: Timings?) {
        guard let timings else { return }
        let stages = [
            ("resolve", timings.resolve), ("spawn", timings.spawn), ("ready", timings.ready), ("sync", timings.sync),
            ("build", timings.build), ("teardown", timings.teardown),
        ]
        let told = stages.compactMap { name, took in took.map { "\(name) \(time(.milliseconds($0)))" } }
        if told.count > 1 { add("time", told.joined(separator: ", ")) }
    }
}

/// The steps of a build that took longest: constant in size.
struct SlowestSteps: Sendable {
    private(set) var steps: [BuildStep] = []

    private static let shown = 3
    /// What is quicker needs no looking at.
    private static let least = 1.0

    mutating func add(_ step: BuildStep) {
        guard step.state == .done, let seconds = step.seconds, seconds >= Self.least else { return }
        let rank = steps.firstIndex { ($0.seconds ?? 0) < seconds } ?? steps.endIndex
        steps.insert(step, at: rank)
        if steps.count > Self.shown { steps.removeLast() }
    }
}
