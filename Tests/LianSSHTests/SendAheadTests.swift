import Testing

@testable import LianSSH

@Suite struct SendAheadTests {
    private let start = ContinuousClock.now

    /// Sends as much as there is room for, and has it read after the delay, so many times.
    private func send(_ ahead: inout SendAhead, times: Int, readAfter delay: Duration) {
        for _ in 0..<times {
            ahead.didSend(ahead.room(unread: 0, at: start), at: start)
            _ = ahead.room(unread: 0, at: start + delay)
        }
    }

    @Test(arguments: [(0, 524_288), (100, 564_288), (20_000, 8_524_288)])
    func itGrowsAsFarAsTheRoundTripAsksFor(microseconds: Int, most: Int) {
        var ahead = SendAhead(serverBanner: "SSH-2.0-OpenSSH_9.2p1 Debian-2", roundTrip: .microseconds(microseconds))
        #expect(ahead.limit == SendAhead.least)
        send(&ahead, times: 1, readAfter: .milliseconds(900))
        #expect(ahead.limit == 2 * SendAhead.least)
        send(&ahead, times: 10, readAfter: .milliseconds(1))
        #expect(ahead.limit == most)
    }

    @Test func itShrinksWhereTheLineIsSlow() {
        var ahead = SendAhead(serverBanner: "SSH-2.0-OpenSSH_9.2p1", roundTrip: .milliseconds(20))
        send(&ahead, times: 10, readAfter: .milliseconds(1))
        let most = ahead.limit
        send(&ahead, times: 1, readAfter: .milliseconds(1500))
        #expect(ahead.limit == most)
        send(&ahead, times: 1, readAfter: .seconds(3))
        #expect(ahead.limit == most / 2)
        send(&ahead, times: 10, readAfter: .seconds(3))
        #expect(ahead.limit == SendAhead.least)
    }

    @Test func whatIsUnreadTakesRoom() {
        var ahead = SendAhead(serverBanner: "SSH-2.0-OpenSSH_9.2p1", roundTrip: .zero)
        ahead.didSend(SendAhead.least, at: start)
        #expect(ahead.room(unread: SendAhead.least, at: start + .seconds(9)) == 0)
        #expect(ahead.room(unread: 1000, at: start + .seconds(9)) == SendAhead.least - 1000)
    }

    @Test(arguments: ["SSH-2.0-Go", "SSH-2.0-dropbear_2022.83", nil])
    func otherServersGetAsMuchAsTheyTake(banner: String?) {
        var ahead = SendAhead(serverBanner: banner, roundTrip: .zero)
        ahead.didSend(1 << 30, at: start)
        #expect(ahead.room(unread: 1 << 30, at: start) > 1 << 40)
        #expect(ahead.room(unread: 0, at: start + .seconds(9)) > 1 << 40)
        // However slowly they read.
        for _ in 0..<60 {
            ahead.didSend(1 << 20, at: start)
            _ = ahead.room(unread: 0, at: start + .seconds(9))
        }
        #expect(ahead.room(unread: 0, at: start) > 1 << 40)
    }
}
