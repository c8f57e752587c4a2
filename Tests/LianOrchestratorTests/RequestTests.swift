import Glibc
import LianSystem
import Testing

@testable import LianOrchestrator

@Suite struct RequestTests {
    @Test func targetsAreTakenApart() throws {
        let target = try #require(RequestTarget("/a/b%20c//%C3%A4?x=1&y&z=%26=&x=2"))
        #expect(target.path == ["a", "b c", "", "ä"])
        #expect(target.query.map(\.name) == ["x", "y", "z", "x"])
        #expect(target.query.map(\.value) == ["1", "", "&=", "2"])
        #expect(RequestTarget("/")?.path == [""])
    }

    @Test(arguments: ["", "*", "x", "/%", "/%4", "/%zz", "/%+1", "/%ff", "/?%80=1"])
    func brokenTargets(_ text: String) {
        #expect(RequestTarget(text) == nil)
    }

    @Test func addresses() {
        #expect(ListenAddress("127.0.0.1:80") == ListenAddress(host: "127.0.0.1", port: 80))
        #expect(ListenAddress("[::1]:0") == ListenAddress(host: "::1", port: 0))
        for bad in ["80", ":80", "::1:80", "a:99999", "a:", ""] { #expect(ListenAddress(bad) == nil) }
        #expect(ListenAddress(host: "127.8.0.1", port: 1).isLoopback)
        #expect(!ListenAddress(host: "0.0.0.0", port: 1).isLoopback)
    }

    private func withSocketPairs(_ count: Int, _ body: ([(ours: Int32, theirs: Int32)]) throws -> Void) throws {
        var pairs: [(ours: Int32, theirs: Int32)] = []
        defer {
            for pair in pairs {
                close(pair.ours)
                close(pair.theirs)
            }
        }
        for _ in 0..<count {
            var ends: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            pairs.append((ends[0], ends[1]))
        }
        try body(pairs)
    }

    private func isClosed(_ pair: (ours: Int32, theirs: Int32)) -> Bool {
        var byte: UInt8 = 0
        return recv(pair.theirs, &byte, 1, Int32(MSG_DONTWAIT)) == 0
    }

    /// A client that is overdue is cut off; one that is in time, or whose request is being worked on, is not.
    @Test func slowClientsAreCutOff() throws {
        try withSocketPairs(4) { pairs in
            let places = ConnectionPlaces(limit: 10)
            let before = ContinuousClock.now
            for pair in pairs { places.arrived(pair.ours) }
            places.showedToken(pairs[1].ours)
            places.isWaiting(pairs[2].ours)
            places.showedToken(pairs[3].ours)
            places.isIdle(pairs[3].ours)
            // Its answer gains one without a token no time.
            places.isIdle(pairs[0].ours)
            let after = ContinuousClock.now
            places.endOverdue(at: before + ConnectionPlaces.tokenLimit - .seconds(1))
            #expect(pairs.map(isClosed) == [false, false, false, false])
            places.endOverdue(at: after + ConnectionPlaces.tokenLimit + .seconds(1))
            #expect(pairs.map(isClosed) == [true, false, false, false])
            places.endOverdue(at: after + ConnectionPlaces.bodyLimit + .seconds(1))
            #expect(pairs.map(isClosed) == [true, true, false, false])
            places.endOverdue(at: after + .seconds(3600))
            #expect(pairs.map(isClosed) == [true, true, false, true])
        }
    }

    /// Who makes room, one after the other: those without a token, the oldest first; those who ask nothing; nobody.
    @Test func whoMakesRoom() throws {
        try withSocketPairs(7) { pairs in
            let places = ConnectionPlaces(limit: 3)
            for pair in pairs[..<3] { places.arrived(pair.ours) }
            places.showedToken(pairs[0].ours)
            places.isIdle(pairs[0].ours)
            places.arrived(pairs[3].ours)
            #expect(pairs.map(isClosed) == [false, true, false, false, false, false, false])
            places.isWaiting(pairs[3].ours)
            places.isWaiting(pairs[2].ours)
            places.arrived(pairs[4].ours)
            #expect(pairs.map(isClosed) == [true, true, false, false, false, false, false])
            // One that made room has no place any more, whatever it had sent before.
            places.showedToken(pairs[0].ours)
            places.showedToken(pairs[4].ours)
            places.arrived(pairs[5].ours)
            #expect(pairs.map(isClosed) == [true, true, false, false, false, true, false])
            places.left(pairs[4].ours)
            places.arrived(pairs[6].ours)
            #expect(pairs.map(isClosed) == [true, true, false, false, false, true, false])
        }
    }

    @Test func buffersAreBounded() {
        let budget = BufferBudget(bytes: 10)
        #expect(budget.take(10) && !budget.take(1))
        budget.giveBack(4)
        #expect(!budget.take(5) && budget.take(4))
    }

    /// However many jobs there are, each is done, and no more of them at once than there may be threads.
    @Test func workersAreBounded() {
        let pool = WorkerPool(limit: 3)
        let atWork = Monitor((now: 0, most: 0, done: 0, mayEnd: false))
        for _ in 0..<20 {
            pool.add {
                atWork.update {
                    $0.now += 1
                    $0.most = max($0.most, $0.now)
                }
                atWork.wait(atMost: nil) { $0.mayEnd ? true : nil }
                atWork.update {
                    $0.now -= 1
                    $0.done += 1
                }
            }
        }
        atWork.wait(atMost: nil) { $0.now == 3 ? true : nil }
        #expect(!pool.addIfFree {})
        atWork.update { $0.mayEnd = true }
        atWork.wait(atMost: nil) { $0.done == 20 ? true : nil }
        #expect(atWork.current.most == 3)
        // A thread is free a moment after its last job has told that it is done.
        while !pool.addIfFree({ atWork.update { $0.done += 1 } }) { sched_yield() }
        atWork.wait(atMost: nil) { $0.done == 21 ? true : nil }
    }
}
