import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Synchronization
import Testing

/// What many clients at once can do to the real program, and cannot.
@Suite struct LoadTests {
    /// 2,000 connections without a token stand, and each that is ended is replaced at once, while a client with one
    /// renews its lease, over new connections and over one that it has kept.
    @Test("row 75: 2,000 clients without a token connect, send half of it or large bodies")
    func clientsWithoutATokenStarveNobody() async throws {
        try #require(DescriptorLimit.raise() > 4096, "raise the hard limit of open files for this test")
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator { orchestrator in
                let pid = try #require(orchestrator.pid)
                let runner = try await orchestrator.readyRunner(caller.order())
                let heartbeat = PlainHTTPConnection.request(
                    "POST", "/api/v1/runners/\(runner.id)/heartbeat",
                    headers: ["Authorization": "Bearer \(orchestrator.token)"])
                let kept = KeptConnection(try PlainHTTPConnection(port: orchestrator.port))
                #expect(try await kept.ask(heartbeat)?.status == 200)
                let memory = peakMemory(of: pid)
                let threads = threadCount(of: pid)

                let large = PlainHTTPConnection.request(
                    "POST", "/api/v1/runners", headers: ["Content-Length": String(1 << 20)])
                // A third says nothing, a third never ends its headers, a third sends a body.
                let crowd = Crowd(
                    port: orchestrator.port, size: 2000,
                    sending: [
                        [], Array("GET /api/v1/runners HTTP/1.1\r\nHost: x\r\nA: b".utf8),
                        large + [UInt8](repeating: 0x20, count: 32 << 10),
                    ])
                try crowd.start()
                await onOwnThread { crowd.waitUntilAllHaveCome() }
                var most = 0
                for round in 0..<100 {
                    let answer = try await orchestrator.request("POST", "/api/v1/runners/\(runner.id)/heartbeat")
                    #expect(answer.status == 200)
                    if round % 10 == 0 { #expect(try await kept.ask(heartbeat)?.status == 200) }
                    most = max(most, threadCount(of: pid))
                }
                // Others than those that stood in the beginning, and the server goes on taking new ones.
                await onOwnThread { crowd.waitUntilAllHaveCome() }
                #expect(try await kept.ask(heartbeat)?.status == 200)
                await onOwnThread { crowd.stop() }
                #expect(most <= threads + 4, "\(threads) threads became \(most)")
                let grown = peakMemory(of: pid) - memory
                #expect(grown < 64 << 20, "\(grown >> 20) MiB more")
                try await orchestrator.destroy(runner.id)
            }
        }
    }

    /// Whoever has no token is answered at the headers, whatever is to follow them, and has no second try on that
    /// connection.
    @Test(arguments: ["POST", "PUT", "DELETE", "GET"])
    func withoutATokenNoBodyIsRead(method: String) async throws {
        try await withOrchestrator { orchestrator in
            let paths = ["POST": "/api/v1/runners", "PUT": "/api/v1/nothing"]
            let path = paths[method] ?? "/api/v1/runners/r-1"
            let connection = KeptConnection(try PlainHTTPConnection(port: orchestrator.port))
            let head = PlainHTTPConnection.request(method, path, headers: ["Content-Length": "1000000"])
            let answer = try #require(try await connection.ask(head))
            #expect(answer.status == (method == "PUT" ? 404 : 401))
            #expect(answer.headers["connection"] == "close")
            #expect(try await connection.ask([]) == nil)
        }
    }

    /// Health is told to everyone, once a connection.
    @Test func healthNeedsNoTokenAndKeepsNoPlace() async throws {
        try await withOrchestrator { orchestrator in
            let question = PlainHTTPConnection.request("GET", "/healthz")
            let connection = KeptConnection(try PlainHTTPConnection(port: orchestrator.port))
            #expect(try await connection.ask(question)?.status == 200)
            #expect(try await connection.ask([]) == nil)
        }
    }

    /// How long the server waits for the end of a body.
    private static let bodyLimit: Duration = .seconds(30)

    /// What so many requests are answered, counted by status, whose last bytes come only when all of them are there. nil
    /// where this machine is so busy that the server does not wait until then.
    private func answers(to part: [UInt8], count: Int, _ orchestrator: Orchestrator) async throws -> [Int: Int]? {
        let pid = try #require(orchestrator.pid)
        let start = ContinuousClock.now
        var connections: [KeptConnection] = []
        for _ in 0..<count {
            let connection = KeptConnection(try PlainHTTPConnection(port: orchestrator.port))
            _ = await connection.send(part)
            connections.append(connection)
        }
        #expect(await eventually { hasReadAll(port: orchestrator.port) && isIdle(pid) })
        #expect(try await orchestrator.request("GET", "/api/v1/runners").status == 200)
        var statuses: [Int: Int] = [:]
        for connection in connections {
            let answer = try? await connection.ask([UInt8(ascii: "x")])
            guard ContinuousClock.now - start < Self.bodyLimit else { return nil }
            statuses[try #require(answer).status, default: 0] += 1
            if answer?.status == 503 { #expect(answer?.headers["retry-after"] == "1") }
        }
        return statuses
    }

    /// Bodies of those who have the token fill what memory there is for them, and no more; what has no body goes on.
    @Test func bodiesOfAllTogetherAreBounded() async throws {
        try #require(DescriptorLimit.raise() > 1024, "raise the hard limit of open files for this test")
        try await withOrchestrator { orchestrator in
            let pid = try #require(orchestrator.pid)
            let before = peakMemory(of: pid)
            let (count, size) = (80, (1 << 20) - 1)
            let head = PlainHTTPConnection.request(
                "POST", "/api/v1/workspaces/acme/metrics",
                headers: ["Authorization": "Bearer \(orchestrator.token)", "Content-Length": String(size + 1)])
            // All but the last byte: the server holds these bodies until it comes.
            let part = head + [UInt8](repeating: UInt8(ascii: "x"), count: size)
            var statuses: [Int: Int]?
            for _ in 0..<10 where statuses == nil {
                statuses = try await answers(to: part, count: count, orchestrator)
            }
            let told = try #require(statuses, "this machine never had the time for so many bodies")
            #expect(told[503, default: 0] >= count - 64 && told.keys.sorted() == [400, 503], "\(told)")
            // The room of those who leave is there again.
            let isRoom = try await eventually {
                let connection = KeptConnection(try PlainHTTPConnection(port: orchestrator.port))
                return try await connection.ask(part + [UInt8(ascii: "x")])?.status == 400
            }
            #expect(isRoom)
            let grown = peakMemory(of: pid) - before
            #expect(grown < 160 << 20, "\(grown >> 20) MiB more")
        }
    }

    /// It may have as many files open as the system lets it; what it starts may have as many as it was given itself.
    @Test func descriptorLimitsAreRaisedForItselfAlone() async throws {
        try await withTemporaryFolder { folder in
            let caller = try await Caller(in: folder)
            try await withOrchestrator(launcher: ["/bin/sh", "-c", "ulimit -S -n 300 && exec \"$@\"", "sh"]) {
                orchestrator in
                let pid = try #require(orchestrator.pid)
                let runner = try await orchestrator.readyRunner(caller.order())
                let own = descriptorLimits(of: pid)
                #expect(own.soft == own.hard && (own.soft ?? 0) > 300)
                let sshd = try #require(orchestrator.process("sshd", of: runner.id))
                #expect(descriptorLimits(of: sshd).soft == 300)
                #expect(try await caller.ssh(runner, "ulimit -S -n").outputText == "300\n")
                try await orchestrator.destroy(runner.id)
            }
        }
    }
}

/// Nothing that was sent to the port waits to be read.
private func hasReadAll(port: Int) -> Bool {
    let table = (try? String(contentsOfFile: "/proc/net/tcp", encoding: .utf8)) ?? ""
    let local = ":" + String(format: "%04X", port)
    let rows = table.split(separator: "\n").map { $0.split(separator: " ") }.filter { $0.count > 4 }
    return rows.allSatisfy { !$0[1].hasSuffix(local) || $0[4].hasSuffix(":00000000") }
}
