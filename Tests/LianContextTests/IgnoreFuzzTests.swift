import LianTestSupport
import Testing

@Suite struct IgnoreFuzzTests {
    @Test func nothingTrapsAndNothingTakesLong() throws {
        try fuzzIgnoreRules(seed: 1, count: 2000)
    }
}
