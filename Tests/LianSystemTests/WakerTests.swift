import Glibc
import LianSystem
import Testing

@Suite struct WakerTests {
    private let waker: Waker
    private let other: Waker

    init() throws {
        waker = try Waker()
        other = try Waker()
    }

    private func wait(until deadline: ContinuousClock.Instant? = nil) -> Waker.Wait {
        waker.wait(for: POLLIN, on: other.descriptor, until: deadline)
    }

    @Test func whatIsReadyIsToldWithoutALimit() {
        other.wake()
        #expect(wait() == .ready)
        #expect(waker.wait(for: POLLOUT, on: other.descriptor) == .ready)
    }

    @Test func theWordToStopComesFirstAndStays() {
        other.wake()
        waker.wake()
        #expect(wait() == .woken)
        #expect(wait() == .woken)
        #expect(waker.wait(for: 0, on: -1, until: .now + .seconds(600)) == .woken)
    }

    @Test func theDeadlineEndsIt() {
        #expect(wait(until: .now + .milliseconds(20)) == .timedOut)
        other.wake()
        #expect(wait(until: .now - .seconds(1)) == .timedOut)
    }

    @Test func whatWasHungUpIsReady() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        close(ends[1])
        #expect(waker.wait(for: POLLIN, on: ends[0]) == .ready)
        close(ends[0])
    }
}
