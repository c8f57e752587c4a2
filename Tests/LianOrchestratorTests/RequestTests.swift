import Glibc
import LianModel
import LianSystem
import Synchronization
import Testing

@testable import LianOrchestrator

@Suite struct RequestTests {
    /// What makes runners does not answer, or is full: told apart over HTTP, and both for a while only.
    @Test(arguments: [
        (SpawnObstacle.unreachable("no quorum"), 503, "provider_unreachable", "10"),
        (.noRoom("c1 has 0 MB"), 429, "capacity", "5"), (.diskFull("it is full"), 503, "no_room", "10"),
    ])
    func anObstacleOfTheProviderIsTold(obstacle: SpawnObstacle, status: Int, code: String, wait: String) async throws {
        try await withFleet { fixture in
            fixture.provider.books.withLock { $0.obstacle = obstacle }
            let body = fleetOrder().json
            let answer = await ask(fixture.routes, "POST", "/api/v1/runners", by: .ofAll("secret"), body: body)
            #expect(answer.status == status)
            #expect(answer.headers["Retry-After"] == wait)
            let error = try JSONValue.parse(answer.body)["error"]
            #expect(error?["code"]?.stringValue == code)
            fixture.provider.books.withLock { $0.obstacle = nil }
            let next = await ask(fixture.routes, "POST", "/api/v1/runners", by: .ofAll("secret"), body: body)
            #expect(next.status == 201)
        }
    }

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

    private let here = RequestTests.peer("127.0.0.1")

    private static func peer(_ text: String) -> PeerAddress {
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        var six = sockaddr_in6()
        six.sin6_family = sa_family_t(AF_INET6)
        let isFour = inet_pton(AF_INET, text, &four.sin_addr) == 1
        if !isFour { inet_pton(AF_INET6, text, &six.sin6_addr) }
        return isFour
            ? withUnsafePointer(to: four) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { PeerAddress($0) }
            }
            : withUnsafePointer(to: six) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { PeerAddress($0) }
            }
    }

    @Test(arguments: [
        ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false), ("10.0.0.1", "::ffff:10.0.0.1", true),
        ("2001:db8::1", "2001:db8::ffff:1", true), ("2001:db8::1", "2001:db8:0:1::1", false),
        ("::1", "0.0.0.1", false), ("::1", "127.0.0.1", false),
    ])
    func whoIsOnePeer(one: String, other: String, areOne: Bool) {
        #expect((Self.peer(one) == Self.peer(other)) == areOne)
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
            for pair in pairs { places.arrived(pair.ours, from: here) }
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
            for pair in pairs[..<3] { places.arrived(pair.ours, from: here) }
            places.showedToken(pairs[0].ours)
            places.isIdle(pairs[0].ours)
            places.arrived(pairs[3].ours, from: here)
            #expect(pairs.map(isClosed) == [false, true, false, false, false, false, false])
            places.isWaiting(pairs[3].ours)
            places.isWaiting(pairs[2].ours)
            places.arrived(pairs[4].ours, from: here)
            #expect(pairs.map(isClosed) == [true, true, false, false, false, false, false])
            // One that made room has no place any more, whatever it had sent before.
            places.showedToken(pairs[0].ours)
            places.showedToken(pairs[4].ours)
            places.arrived(pairs[5].ours, from: here)
            #expect(pairs.map(isClosed) == [true, true, false, false, false, true, false])
            places.left(pairs[4].ours)
            places.arrived(pairs[6].ours, from: here)
            #expect(pairs.map(isClosed) == [true, true, false, false, false, true, false])
        }
    }

    /// An address that shows no good token has 64 places, one that does has 512; others are not in the way.
    @Test func anAddressHasItsShare() throws {
        try withSocketPairs(66) { pairs in
            let places = ConnectionPlaces(limit: 1024)
            for pair in pairs[..<64] { places.arrived(pair.ours, from: here) }
            places.arrived(pairs[64].ours, from: Self.peer("192.0.2.1"))
            #expect(!pairs.contains(where: isClosed))
            places.arrived(pairs[65].ours, from: here)
            #expect(pairs.map(isClosed) == [true] + Array(repeating: false, count: 65))
        }
        try #require(DescriptorLimit.raise() > 2048, "raise the hard limit of open files for this test")
        try withSocketPairs(513) { pairs in
            let places = ConnectionPlaces(limit: 1024)
            places.arrived(pairs[0].ours, from: here)
            places.showedToken(pairs[0].ours)
            for pair in pairs[1..<512] { places.arrived(pair.ours, from: here) }
            #expect(!pairs.contains(where: isClosed))
            places.arrived(pairs[512].ours, from: here)
            #expect(pairs.map(isClosed) == [false, true] + Array(repeating: false, count: 511))
        }
    }

    /// However slowly it sends and reads, a request is over after two minutes, but for the time that its answer takes to
    /// be found.
    @Test func noRequestDripsForLong() {
        let all = ConnectionPlaces.tokenLimit + ConnectionPlaces.bodyLimit + ConnectionPlaces.answerLimit
        #expect(all <= .seconds(120) && ConnectionPlaces.idleLimit + .seconds(60) <= .seconds(120))
    }

    @Test func failuresAreCountedByTheMinute() throws {
        let failures = FailedAuthentications()
        let start = ContinuousClock.now
        let other = Self.peer("192.0.2.1")
        for second in 0..<10 { #expect(failures.add(here, at: start + .seconds(second)) == nil) }
        #expect(failures.add(here, at: start + .seconds(20)) == .seconds(40))
        #expect(failures.add(other, at: start + .seconds(20)) == nil)
        #expect(failures.add(here, at: start + .milliseconds(59_999)) == .milliseconds(1))
        for _ in 0..<10 { #expect(failures.add(here, at: start + .seconds(60)) == nil) }
        #expect(failures.add(here, at: start + .seconds(61)) == .seconds(59))
    }

    /// However many addresses fail, so many are remembered; the window that ends first is forgotten for a new one.
    @Test func theAddressesThatFailAreBounded() {
        let failures = FailedAuthentications()
        let start = ContinuousClock.now
        let later = Self.peer("192.0.2.1")
        for _ in 0..<10 { _ = failures.add(here, at: start) }
        for _ in 0..<10 { _ = failures.add(later, at: start + .seconds(1)) }
        for number in 2..<FailedAuthentications.peerLimit {
            _ = failures.add(Self.peer("10.0.\(number / 256).\(number % 256)"), at: start + .seconds(1))
        }
        #expect(failures.add(here, at: start + .seconds(2)) == .seconds(58))
        _ = failures.add(Self.peer("198.51.100.1"), at: start + .seconds(3))
        #expect(failures.add(here, at: start + .seconds(3)) == nil)
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
        for job in 0..<20 {
            pool.add(for: "owner \(job % 3)") {
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
        #expect(!pool.addIfFree(for: "another") {})
        atWork.update { $0.mayEnd = true }
        atWork.wait(atMost: nil) { $0.done == 20 ? true : nil }
        #expect(atWork.current.most == 3)
        // A thread is free a moment after its last job has told that it is done.
        while !pool.addIfFree(for: "another", { atWork.update { $0.done += 1 } }) { sched_yield() }
        atWork.wait(atMost: nil) { $0.done == 21 ? true : nil }
    }

    /// Who asks for very much at once keeps nobody else waiting: a part of the threads is never his, and of those who
    /// wait the one with the fewest at work is next.
    @Test func nobodyHasAllWorkers() {
        let pool = WorkerPool(limit: 4)
        let began = Monitor<[String]>([])
        let mayEnd = Monitor(0)
        func add(_ owner: String) {
            pool.add(for: owner) {
                began.update { $0.append(owner) }
                mayEnd.wait(atMost: nil) { left -> Bool? in
                    guard left > 0 else { return nil }
                    left -= 1
                    return true
                }
            }
        }
        for _ in 0..<40 { add("greedy") }
        began.wait(atMost: nil) { $0.count >= 3 ? true : nil }
        #expect(!pool.addIfFree(for: "greedy") {})
        add("other")
        began.wait(atMost: nil) { $0.count >= 4 ? true : nil }
        #expect(began.current == ["greedy", "greedy", "greedy", "other"])
        // Of those who came later than all that wait, whoever has the fewest at work is next.
        add("third")
        mayEnd.update { $0 += 1 }
        began.wait(atMost: nil) { $0.count >= 5 ? true : nil }
        #expect(began.current.last == "third")
        mayEnd.update { $0 += 100 }
        began.wait(atMost: nil) { $0.count == 42 ? true : nil }
    }
}
