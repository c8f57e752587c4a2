/// Why a volume is empty or not kept, where it is not the orchestrator that says so.
package enum VolumeTrouble: String, CaseIterable, Sendable {
    /// No volume can have the name that the build would give it.
    case noName = "no_name"
    /// The orchestrator knows no way to keep it, or no longer knows the runner.
    case notServed = "not_served"
    case notReady = "not_ready"
    case runnerGone = "runner_gone"
    case refused
    /// No answer told whether it was kept.
    case noAnswer = "no_answer"
}

/// What became of a build's volume: what its runner found there, and whether it was kept.
package struct VolumeResult: Equatable, Sendable {
    package enum State: String, CaseIterable, Sendable {
        case warm, cold
        /// The orchestrator offers none.
        case none
    }

    /// Under which it is kept, or would be; nil where no volume can have the name.
    package var name: VolumeName?
    package var state: State
    /// The generation that the runner started from.
    package var from: VolumeName?
    package var generation: Int?
    package var bytes: Int?
    /// nil where it was not asked for, or no answer told.
    package var kept: Bool?
    /// Why it was not kept; where it was, why it was cold.
    package var reason: String?

    package init(name: VolumeName?, state: State, reason: String? = nil) {
        self.name = name
        self.state = state
        self.reason = reason
    }

    /// `found` is nil where the runner's provider offers none.
    package init(_ asked: VolumeRequest, found: RunnerVolume?) {
        self.init(name: asked.name, state: State(found?.state), reason: found?.reason)
        guard let found, found.state == .warm else { return }
        from = found.from
        generation = found.generation
        bytes = found.bytes
    }
}

extension VolumeResult.State {
    fileprivate init(_ found: RunnerVolume.State?) {
        switch found {
        case .warm?: self = .warm
        case .cold?: self = .cold
        case nil: self = .none
        }
    }
}

extension VolumeRequest {
    /// The volume's name in the build's own layer.
    package var name: VolumeName? { to ?? from.first }
}

extension VolumeResult: JSONEncodable {
    package var json: JSONValue {
        [
            "name": name.json, "from": from.json, "state": .string(state.rawValue), "generation": generation.json,
            "bytes": bytes.json, "kept": kept.json, "reason": reason.json,
        ]
    }
}

// How a person is told of it.
extension VolumeResult {
    /// What the runner found.
    package var finding: String {
        switch state {
        case .warm:
            let facts = [generation.map { "generation \($0)" }, bytes.map(Figures.bytes)].compactMap { $0 }
            return "warm, from \(from?.description ?? "a volume")"
                + (facts.isEmpty ? "" : " (\(facts.joined(separator: ", ")))")
        case .cold: return "cold: \(Self.coldness(reason))"
        case .none: return "none: the orchestrator offers none"
        }
    }

    /// Why a volume is empty, in words. An orchestrator may have a word of its own for it.
    package static func coldness(_ reason: String?) -> String {
        guard let reason else { return "the orchestrator does not say why" }
        if VolumeTrouble(rawValue: reason) == .noName {
            return "no volume can have the name that this build would give it; choose one with --volume"
        }
        return switch VolumeColdReason(rawValue: reason) {
        case .noneYet?: "nothing is kept under this name yet"
        case .inUse?: "another runner holds the volume just now"
        case .otherEngine?: "what is kept comes from another engine, another version of it or another platform"
        case .otherProvider?: "what is kept lies where another provider's runners are"
        case .notOffered?: "runners of this provider have no volumes"
        case .damaged?: "the engine did not start on what was kept, which is set aside"
        case .noRoom?: "the orchestrator has no room for it"
        case nil: onOneLine(reason)
        }
    }

    /// What became of it at the end; nil where there is nothing to tell.
    package var ending: String? {
        switch kept {
        case true?: "kept for the next runner"
        case false?: "not kept: \(Self.discarding(reason))"
        case nil: reason == VolumeTrouble.noAnswer.rawValue ? "not known to be kept: no answer came" : nil
        }
    }

    /// Why a volume was not kept, in words.
    package static func discarding(_ reason: String?) -> String {
        guard let reason else { return "the orchestrator does not say why" }
        return switch VolumeTrouble(rawValue: reason) {
        case .noName?, .noAnswer?, nil: discardingByOrchestrator(reason)
        case .notServed?: "the orchestrator knows no way to keep it, or no longer knows the runner"
        case .notReady?: "the orchestrator says that the runner is not ready"
        case .runnerGone?: "the runner is gone"
        case .refused?: "the orchestrator refuses to keep it"
        }
    }

    private static func discardingByOrchestrator(_ reason: String) -> String {
        switch VolumeDiscardReason(rawValue: reason) {
        case .superseded?: "another build's was kept in its place"
        case .tooLarge?: "it is larger than the orchestrator lets a volume be"
        case .engineNotStopped?: "the engine on the runner did not end in order"
        case .notAsked?: "the runner had nothing to keep"
        case .diskFull?: "the orchestrator's disk is full"
        case .damaged?: "what lies on it is not what an engine leaves"
        case .failed?: "it failed; the orchestrator's log says why"
        case nil: onOneLine(reason)
        }
    }

    /// The news of it: what was found, until more is known.
    package var latest: String { ending ?? finding }

    /// Both, for a summary.
    package var summary: String { [finding, ending].compactMap { $0 }.joined(separator: "; ") }
}
