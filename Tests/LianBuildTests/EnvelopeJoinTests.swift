import LianModel
import Testing

@testable import LianBuild

/// What runners side by side came to, told as one build.
@Suite struct EnvelopeJoinTests {
    private func envelope(
        _ status: ArtifactResult.Status?, pushed: Bool? = nil, steps: StepCount? = nil, runner: String? = nil,
        attempts: Int = 1
    ) -> ResultEnvelope {
        var envelope = ResultEnvelope(status: .failed)
        var artifact = ArtifactResult(name: "app", image: "r.example/a:1", tags: [], platforms: [], status: status)
        artifact.pushed = pushed
        artifact.steps = steps
        envelope.artifacts = [artifact]
        envelope.timings = Timings()
        envelope.runner = runner.map { RunnerResult(id: $0, provider: nil, tier: nil, destroyed: true) }
        envelope.attempts = (1...attempts).map {
            AttemptResult(
                number: $0, tier: nil, outcome: .succeeded, exitCode: 0, durationMS: 1, oom: nil)
        }
        return envelope
    }

    private func joined(_ lanes: ResultEnvelope...) -> ResultEnvelope {
        var whole = envelope(nil)
        whole.join(zip(["linux/amd64", "linux/386"], lanes).map { ($0, $1) })
        return whole
    }

    @Test func theWorstOfTheParts() {
        let cases: [(ArtifactResult.Status?, ArtifactResult.Status?, ArtifactResult.Status?)] = [
            (.succeeded, .failed, .failed), (.cancelled, .failed, .failed), (.cancelled, nil, nil),
            (.cancelled, .cancelled, .cancelled), (.succeeded, .cancelled, .cancelled),
            // Its index has still to be made.
            (.succeeded, .succeeded, nil),
        ]
        for (one, other, whole) in cases {
            #expect(joined(envelope(one, pushed: true), envelope(other)).artifacts?[0].status == whole)
        }
        let unpushed = joined(envelope(.succeeded, pushed: false), envelope(.succeeded, pushed: false))
        #expect(unpushed.artifacts?[0].status == .succeeded && unpushed.artifacts?[0].pushed == false)
    }

    @Test func sumsAndLists() {
        var one = envelope(.succeeded, steps: StepCount(total: 4, cached: 1), runner: "r-1")
        var other = envelope(.succeeded, steps: StepCount(total: 4, cached: 2), runner: "r-2", attempts: 2)
        one.timings?.build = 30
        other.timings?.build = 70
        one.usage = UsageResult(cpuPeak: 2, memoryMBPeak: 100, samples: 3)
        other.usage = UsageResult(cpuPeak: nil, memoryMBPeak: 300, samples: 4)
        one.cache = CacheResult(from: ["a"], to: ["a"])
        other.cache = CacheResult(from: ["a-386", "a"], to: ["a-386"])
        let whole = joined(one, other)
        #expect(whole.artifacts?[0].steps == StepCount(total: 8, cached: 3))
        #expect(whole.runner == nil && whole.runners?.map(\.id) == ["r-1", "r-2"])
        #expect(whole.attempts.map(\.platform) == ["linux/amd64", "linux/386", "linux/386"])
        #expect(whole.attempts.map(\.number) == [1, 1, 2])
        #expect(whole.timings?.build == 70)
        #expect(whole.usage == UsageResult(cpuPeak: 2, memoryMBPeak: 300, samples: 7))
        #expect(whole.cache == CacheResult(from: ["a", "a-386"], to: ["a", "a-386"]))
    }

    /// What is known later is added, and the index that was made stays.
    @Test func againWithMore() {
        var whole = envelope(nil)
        whole.join([("linux/amd64", envelope(.succeeded, pushed: true)), ("linux/386", envelope(.succeeded))])
        #expect(whole.runners == nil)
        whole.takeIndex("sha256:1", of: "app")
        whole.join([
            ("linux/amd64", envelope(.succeeded, pushed: true, runner: "r-1")), ("linux/386", envelope(.succeeded)),
        ])
        #expect(whole.runners?.count == 1 && whole.attempts.count == 2)
        #expect(whole.artifacts?[0].digest == "sha256:1" && whole.artifacts?[0].status == .succeeded)
        whole.takeIndex(nil, of: "app")
        #expect(whole.artifacts?[0].status == .failed && whole.artifacts?[0].pushed == false)
    }
}
