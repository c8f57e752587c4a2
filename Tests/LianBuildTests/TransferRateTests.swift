import Testing

@testable import LianBuild

@Suite struct TransferRateTests {
    @Test func itIsThatOfTheLastSeconds() {
        var rate = TransferRate()
        let start = ContinuousClock.now
        func add(_ bytes: Int, _ milliseconds: Int) {
            rate.add(bytes: bytes, at: start + .milliseconds(milliseconds))
        }
        add(0, 0)
        #expect(rate.bytesPerSecond == nil)
        add(100, 100)
        #expect(rate.bytesPerSecond == nil, "too short to tell")
        add(1000, 1000)
        #expect(rate.bytesPerSecond == 1000)
        for second in 2...20 { add(1000 + second, 1000 * second) }
        #expect(rate.bytesPerSecond == 1, "what was fast before is forgotten")
    }
}
