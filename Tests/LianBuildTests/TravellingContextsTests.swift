import Testing

@testable import LianBuild
@testable import LianContext

@Suite struct TravellingContextsTests {
    @Test func compressionIsForTheFarAway() {
        #expect(TravellingContexts.compresses(over: .milliseconds(20)))
        #expect(!TravellingContexts.compresses(over: .microseconds(500)))
    }

    @Test func threadsAreForLargeFiles() {
        func threads(files: Int, megabytes: Int, processors: Int = 8) -> Int {
            var summary = ContextSummary()
            summary.files = files
            summary.bytes = megabytes << 20
            return TravellingContexts.threads(for: summary, processors: processors)
        }
        #expect(threads(files: 3, megabytes: 500) == 4)
        #expect(threads(files: 3, megabytes: 500, processors: 2) == 2)
        #expect(threads(files: 5000, megabytes: 60) == 0)
        #expect(threads(files: 0, megabytes: 0) == 0)
    }
}
