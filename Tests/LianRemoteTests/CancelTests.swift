import Foundation
import LianModel
import LianRemote
import LianSystem
import LianTestSupport
import Testing

@Suite(.serialized) struct CancelTests {
    @Test func cancelEndsTheWholeGroupAtOnce() async throws {
        try await withRuns { runs in
            let run = RemoteRun(
                runs.request("(trap '' TERM; sleep 600) & (trap '' TERM; sleep 601 & wait) & echo up; sleep 602 & wait")
            )
            try await run.connect(to: runs.host)
            _ = try await run.until("up")
            let start = ContinuousClock.now
            try await run.cancel()
            let end = try await run.toItsEnd().end
            #expect(end.cause == .cancelled)
            #expect(end.signal == SIGTERM)
            #expect(ContinuousClock.now - start < .seconds(60))
            try await run.remove()
        }
    }

    @Test func cancelRightAfterTheStartIsNotMissed() async throws {
        try await withRuns { runs in
            for number in 0..<20 {
                var request = runs.request("sleep 600")
                request.folder = runs.root + "/run-\(number)"
                let run = RemoteRun(request)
                try await run.connect(to: runs.host)
                try await run.cancel()
                #expect(try await run.toItsEnd().end.cause == .cancelled)
                try await run.remove()
            }
        }
    }

    @Test func deafCommandIsKilled() async throws {
        try await withRuns { runs in
            let run = RemoteRun(runs.request("trap '' TERM; echo up; while :; do sleep 1; done"))
            try await run.connect(to: runs.host)
            _ = try await run.until("up")
            let start = ContinuousClock.now
            try await run.cancel()
            let end = try await run.toItsEnd().end
            #expect(end.cause == .cancelled)
            #expect(end.signal == SIGKILL)
            #expect(ContinuousClock.now - start > .seconds(4))
            try await run.remove()
        }
    }

    @Test func cancelThatWasLostGoesWithTheNextConnection() async throws {
        try await withRuns { runs in
            let run = RemoteRun(runs.request("echo up; sleep 600"))
            try await run.connect(to: runs.host)
            _ = try await run.until("up")
            runs.host.cut()
            try? await run.cancel()
            #expect(
                try await run.follow {
                    runs.host
                } log: { _ in
                }.cause == .cancelled)
            try await run.remove()
        }
    }

    @Test func cancelledReaderLosesNothing() async throws {
        try await withRuns { runs in
            let run = RemoteRun(runs.request("while [ ! -e go ]; do sleep 0.05; done; echo one; sleep 600"))
            try await run.connect(to: runs.host)
            let reader = Task { try await run.next() }
            try await Task.sleep(for: .milliseconds(50))
            reader.cancel()
            await #expect(throws: CancellationError.self) { try await reader.value }
            try Data().write(to: URL(filePath: runs.folder + "/go"))
            #expect(try await run.until("one\n") == Array("one\n".utf8))
            #expect(await run.stop(within: .seconds(120)) != nil)
            try await run.remove()
        }
    }

    @Test func leftoversOfACommandAreEnded() async throws {
        try await withRuns { runs in
            let (log, end, _) = try await runs.complete(runs.request("(trap '' TERM; sleep 600) & echo up"))
            #expect(log == "up\n")
            #expect(end.isSuccess)
        }
    }

    @Test func sessionThatIsHungUpOnLeavesNothing() async throws {
        try await withRuns { runs in
            let run = RemoteRun(runs.request("echo up; sleep 600"))
            try await run.connect(to: runs.host)
            _ = try await run.until("up")
            let session = try #require(runs.host.pids.first)
            kill(session, SIGHUP)
            await #expect(throws: RemoteFailure.self) { try await run.next() }
            #expect(await eventually { kill(-session, 0) != 0 })
            try await run.connect(to: runs.host)
            #expect(await run.stop(within: .seconds(120))?.cause == .cancelled)
            try await run.remove()
        }
    }
}
