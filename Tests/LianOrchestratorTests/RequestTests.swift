import Glibc
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

    @Test func tokens() {
        let token = BearerToken("secret")
        #expect(token.admits(authorization: "Bearer secret"))
        #expect(token.admits(authorization: "bearer secret"))
        for wrong in [
            nil, "", "secret", "Bearer", "Bearer ", "Basic secret", "Bearer secre", "Bearer secrett",
            "Bearer secretsecret",
        ] {
            #expect(!token.admits(authorization: wrong))
        }
    }

    @Test func tokensThatCannotBeSentAreRefused() {
        #expect(BearerToken.problem(with: "abc") == nil)
        for bad in ["", "a b", "ä", "a\n"] { #expect(BearerToken.problem(with: bad) != nil) }
    }

    @Test func addresses() {
        #expect(ListenAddress("127.0.0.1:80") == ListenAddress(host: "127.0.0.1", port: 80))
        #expect(ListenAddress("[::1]:0") == ListenAddress(host: "::1", port: 0))
        for bad in ["80", ":80", "::1:80", "a:99999", "a:", ""] { #expect(ListenAddress(bad) == nil) }
        #expect(ListenAddress(host: "127.8.0.1", port: 1).isLoopback)
        #expect(!ListenAddress(host: "0.0.0.0", port: 1).isLoopback)
    }

    /// A client that is overdue is cut off; one that is in time, or whose request is being worked on, is not.
    @Test func slowClientsAreCutOff() throws {
        let watch = ConnectionWatch()
        var ends: [[Int32]] = []
        for _ in 0..<3 {
            var pair: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            ends.append(pair)
        }
        defer { for end in ends.joined() { close(end) } }
        watch.expect(ends[0][0], within: .seconds(1))
        watch.expect(ends[1][0], within: .seconds(60))
        watch.expect(ends[2][0], within: .seconds(1))
        watch.forget(ends[2][0])
        watch.endOverdue(at: .now + .seconds(2))
        let isClosed = ends.map { pair in
            var byte: UInt8 = 0
            return recv(pair[1], &byte, 1, Int32(MSG_DONTWAIT)) == 0
        }
        #expect(isClosed == [true, false, false])
    }
}
