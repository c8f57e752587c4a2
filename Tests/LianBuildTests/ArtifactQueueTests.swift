import LianModel
import Testing

@testable import LianBuild

/// In which order the artifacts of an attempt are begun.
@Suite struct ArtifactQueueTests {
    /// `a`, `b` after `a`, `c` after `b`, and `d` by itself.
    private func withQueue(_ body: (inout ArtifactQueue) throws -> Void) async throws {
        try await withRequestFixture { fixture in
            let one = try fixture.artifact()
            let artifacts = [("a", []), ("b", ["a"]), ("c", ["b"]), ("d", [])].map { name, dependsOn in
                var artifact = one
                artifact.name = name
                artifact.dependsOn = dependsOn
                return artifact
            }
            var queue = ArtifactQueue(artifacts)
            try body(&queue)
        }
    }

    private let succeeded = ArtifactOutcome(status: .succeeded)
    private let failed = ArtifactOutcome(status: .failed)

    private var outOfMemory: ArtifactOutcome {
        var outcome = failed
        outcome.oom = OOMVerdict(reason: .kernel, kernelOOMKills: 1)
        return outcome
    }

    @Test func eachAfterThoseItDependsOn() async throws {
        try await withQueue { queue in
            #expect([queue.next()?.name, queue.next()?.name, queue.next()?.name] == ["a", "d", nil])
            #expect(queue.settle("d", succeeded) == [] && queue.next() == nil)
            #expect(queue.settle("a", succeeded) == [] && queue.next()?.name == "b")
            #expect(queue.settle("b", succeeded) == [] && queue.next()?.name == "c")
            #expect(queue.settle("c", succeeded) == [] && queue.next() == nil)
            #expect(
                queue.results.mapValues(\.status) == [
                    "a": .succeeded, "b": .succeeded, "c": .succeeded, "d": .succeeded,
                ])
        }
    }

    @Test func whatDependsOnAFailedOneIsSkipped() async throws {
        try await withQueue { queue in
            _ = queue.next()
            #expect(queue.settle("a", failed) == ["b", "c"])
            #expect(queue.next()?.name == "d")
            #expect(queue.results.mapValues(\.status) == ["a": .failed, "b": .skipped, "c": .skipped])
        }
    }

    /// The next attempt builds them.
    @Test func afterOutOfMemoryNothingIsBegunAndNothingSkipped() async throws {
        try await withQueue { queue in
            _ = queue.next()
            #expect(queue.settle("a", outOfMemory) == [])
            #expect(queue.next() == nil)
            #expect(queue.results.keys.sorted() == ["a"])
            // Where there is no next attempt, they have nothing to begin with.
            #expect(queue.blocked == ["b", "c"])
        }
    }

    @Test func whatWasBuiltInAnEarlierAttemptIsNotWaitedFor() async throws {
        try await withRequestFixture { fixture in
            var artifact = try fixture.artifact()
            artifact.dependsOn = ["built-before"]
            var queue = ArtifactQueue([artifact])
            #expect(queue.next()?.name == artifact.name)
        }
    }
}
