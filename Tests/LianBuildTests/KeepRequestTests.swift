import LianModel
import Testing

@testable import LianBuild

/// After which ends of an attempt its volume is kept.
@Suite struct KeepRequestTests {
    private func facts(_ errors: [ErrorCode?], of attempt: ErrorCode? = nil, oom: Bool = false) -> AttemptFacts {
        var facts = AttemptFacts()
        for (index, code) in errors.enumerated() {
            var outcome = ArtifactOutcome(status: code == nil ? .succeeded : .failed)
            outcome.error = code.map { LianError($0, .build, "m", hint: "h") }
            outcome.executedMS = 1000
            facts.results["a\(index)"] = outcome
        }
        facts.error = (attempt ?? errors.compactMap { $0 }.first).map { LianError($0, .build, "m", hint: "h") }
        if oom { facts.oom = OOMVerdict(reason: .kernel, kernelOOMKills: 1) }
        return facts
    }

    private static let owners: [CacheOwner] = [.ci, .session(actor: "mei")]

    @Test(arguments: owners) func aSuccessIsKept(owner: CacheOwner) {
        #expect(facts([nil]).keepRequest(for: owner) == KeepRequest(outcome: .succeeded, executedMS: 1000))
        #expect(facts([nil, nil]).keepRequest(for: owner) == KeepRequest(outcome: .succeeded, executedMS: 2000))
    }

    private static let inOrder: [ErrorCode] = [.buildFailed, .pushFailed, .outputFailed]

    @Test(arguments: inOrder) func whatFailedInOrderIsKeptInASession(code: ErrorCode) {
        #expect(facts([code, nil]).keepRequest(for: .ci) == nil)
        #expect(
            facts([code, nil]).keepRequest(for: .session(actor: "mei"))
                == KeepRequest(outcome: .failed, executedMS: 2000))
    }

    /// Of one image alone, or beside one that only failed.
    @Test(arguments: ErrorCode.allCases.filter { !inOrder.contains($0) })
    func nothingElseIs(code: ErrorCode) {
        for owner in Self.owners {
            #expect(facts([code]).keepRequest(for: owner) == nil)
            #expect(facts([.buildFailed, code]).keepRequest(for: owner) == nil)
            #expect(facts([nil], of: code).keepRequest(for: owner) == nil)
            #expect(facts([.buildFailed], of: code).keepRequest(for: owner) == nil)
        }
    }

    @Test func norIsWhatRanOutOfMemory() {
        for owner in Self.owners {
            #expect(facts([nil, .outOfMemory], oom: true).keepRequest(for: owner) == nil)
            #expect(facts([.buildFailed], oom: true).keepRequest(for: owner) == nil)
        }
    }
}
