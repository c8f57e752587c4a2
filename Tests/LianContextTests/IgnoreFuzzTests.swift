import LianSystem
import LianTestSupport
import Testing

@Suite struct IgnoreFuzzTests {
    @Test func nothingTrapsAndNothingTakesLong() async throws {
        // It computes for seconds: the pool's threads are left to the tests that wait.
        try await onOwnThread { Result { try fuzzIgnoreRules(seed: 1, count: 2000) } }.get()
    }
}
