import LianBuildKit
import LianModel

/// How the page calls the values of a record.

extension ResultEnvelope.Status {
    /// The beginning of a sentence that ends in a time.
    var opening: String {
        switch self {
        case .succeeded: "Succeeded in"
        case .planned: "Planned in"
        case .failed: "Failed after"
        case .cancelled: "Cancelled after"
        case .timedOut: "Out of time after"
        }
    }

    var word: String {
        switch self {
        case .succeeded: "Succeeded"
        case .planned: "Planned"
        case .failed: "Failed"
        case .cancelled: "Cancelled"
        case .timedOut: "Out of time"
        }
    }

    /// The name in the style sheet.
    var kind: String {
        switch self {
        case .succeeded, .planned: "good"
        case .failed, .timedOut: "bad"
        case .cancelled: "stopped"
        }
    }

    var sign: String {
        switch self {
        case .succeeded: "✓"
        case .planned: "○"
        case .failed, .timedOut: "✕"
        case .cancelled: "–"
        }
    }
}

extension ArtifactResult {
    var outcome: String { status?.rawValue ?? "not built" }

    /// Its image, where one is made.
    var title: String { image ?? name }
}

extension BuildStep.State {
    /// The name in the style sheet and in the legend.
    var word: String {
        switch self {
        case .running: "unfinished"
        case .done: "run"
        case .cached: "cached"
        case .failed: "failed"
        case .cancelled: "cancelled"
        }
    }
}

extension OOMVerdict {
    var sentence: String {
        let kills =
            kernelOOMKills.map {
                $0 > 0 ? " The kernel killed \($0 == 1 ? "a process" : "\($0) processes") for it." : ""
            } ?? ""
        return switch reason {
        case .exit137: "A process of the build was killed (exit 137).\(kills)"
        case .text: "The engine could get no more memory.\(kills)"
        case .kernel: "The engine broke off.\(kills)"
        }
    }
}
