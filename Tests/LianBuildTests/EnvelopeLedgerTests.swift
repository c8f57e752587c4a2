import LianModel
import Testing

@testable import LianBuild

/// What attempts add to the envelope where there are several artifacts.
@Suite struct EnvelopeLedgerTests {
    private let sizing = Sizing(
        source: .language, size: RunnerSize(cpu: 2, memoryGB: 4), timeBudgetMinutes: 30, tier: "cx22")

    private func envelope(of names: [String]) -> ResultEnvelope {
        var envelope = ResultEnvelope(status: .failed)
        envelope.artifacts = names.map { ArtifactResult(name: $0, image: nil, tags: [], platforms: [], status: nil) }
        return envelope
    }

    private func failed(_ code: ErrorCode, oom: OOMVerdict? = nil) -> ArtifactOutcome {
        var outcome = ArtifactOutcome(status: .failed)
        outcome.error = LianError(code, .build, "it failed", hint: "h")
        outcome.oom = oom
        return outcome
    }

    private var outOfMemory: ArtifactOutcome {
        failed(.outOfMemory, oom: OOMVerdict(reason: .kernel, kernelOOMKills: 1))
    }

    private func facts(
        _ results: [String: ArtifactOutcome], blocked: [String] = [], error: LianError? = nil
    ) -> AttemptFacts {
        var facts = AttemptFacts()
        for outcome in results.values { facts.take(outcome) }
        facts.results = results
        facts.blocked = blocked
        facts.error = error ?? results.sorted { $0.key < $1.key }.lazy.compactMap(\.value.error).first
        return facts
    }

    /// `a` failed for good in the first attempt, in which `b` ran out of memory.
    private func concluded(second: AttemptFacts) -> ResultEnvelope {
        var envelope = envelope(of: ["a", "b"])
        let first = facts(["a": failed(.buildFailed), "b": outOfMemory])
        envelope.take(first, ofAttempt: 1, on: sizing, duration: 1, isRetried: true)
        envelope.take(second, ofAttempt: 2, on: sizing, duration: 1, isRetried: false)
        envelope.conclude(second, afterAttempt: 2)
        return envelope
    }

    @Test func theFirstThatFailedDecidesAfterARetryToo() {
        let lost = LianError(.connectionLost, .build, "the connection was lost", hint: "h")
        for second in [
            facts(["b": outOfMemory]), facts(["b": ArtifactOutcome(status: .succeeded)]), facts([:], error: lost),
        ] {
            let envelope = concluded(second: second)
            #expect(envelope.error?.code == .buildFailed && envelope.status == .failed)
        }
        #expect(concluded(second: facts(["b": outOfMemory])).artifacts?.map(\.status) == [.failed, .failed])
    }

    @Test func aSignalWinsOverWhatFailedBefore() {
        let envelope = concluded(second: facts([:], error: .cancelled(in: .build)))
        #expect(envelope.error?.code == .cancelled && envelope.status == .cancelled)
    }

    /// Where there is a retry, it settles them.
    @Test func whatDependsOnWhatRanOutForGoodIsSkipped() {
        let outcome = facts(["a": outOfMemory], blocked: ["b", "c"])
        for (isRetried, status) in [(false, ArtifactResult.Status.skipped), (true, nil)] {
            var envelope = envelope(of: ["a", "b", "c", "d"])
            envelope.take(outcome, ofAttempt: 1, on: sizing, duration: 1, isRetried: isRetried)
            #expect(envelope.artifacts?.map(\.status) == [isRetried ? nil : .failed, status, status, nil])
        }
    }
}
