import LianSystem
import LianTestSupport
import Testing

/// Generated inputs against every reader of what people and other programs write. `scripts/fuzz COUNT SEED` runs more.
///
/// They compute for seconds: the pool's threads are left to the tests that wait.
@Suite(.serialized) struct FuzzTests {
    private let run = FuzzRun.asked

    @Test func arguments() async throws {
        try await onOwnThread { [run] in
            Result {
                try run.each { random in
                    var fuzz = ArgumentFuzz(random)
                    try fuzz.run()
                }
            }
        }.get()
    }

    @Test func documents() async throws {
        try await onOwnThread { [run] in
            Result {
                try run.each { random in
                    var fuzz = DocumentFuzz(random)
                    try fuzz.run()
                }
            }
        }.get()
    }

    @Test func ignoreRules() async throws {
        try await onOwnThread { [run] in Result { try fuzzIgnoreRules(seed: run.seed, count: run.count) } }.get()
    }

    @Test func contextsOfTheProbe() async throws {
        try await fuzzIntegrate(seed: run.seed, count: run.count)
    }
}
