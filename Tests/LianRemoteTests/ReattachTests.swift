import Foundation
import LianModel
import LianRemote
import LianSystem
import LianTestSupport
import Synchronization
import Testing

@Suite(.serialized) struct ReattachTests {
    @Test func cutsLoseAndRepeatNothing() async throws {
        try await withRuns { runs in
            // It goes on after the first ten pieces, and after each further ten, when it is told to: after a cut.
            let run = RemoteRun(
                runs.request(
                    """
                    for i in $(seq 0 49); do seq -f %09.0f 1 2000
                    if [ $((i % 10)) = 9 ]; then while [ ! -e "go-$i" ]; do sleep 0.01; done; fi; done
                    echo result >result; exit 5
                    """))
            try await run.connect(to: runs.host)
            let log = Mutex<[UInt8]>([])
            let cutter = Task {
                for last in stride(from: 9, through: 49, by: 10) {
                    // In the middle of these ten, whose end comes over another connection then.
                    #expect(await eventually { log.withLock { $0.count } > (last - 7) * 20_000 })
                    runs.host.cut()
                    try Data().write(to: URL(filePath: "\(runs.folder)/go-\(last)"))
                }
            }
            let reconnects = Mutex(0)
            let end = try await run.follow {
                reconnects.withLock { $0 += 1 }
                return runs.host
            } log: { bytes in
                log.withLock { $0 += bytes }
            }
            try await cutter.value
            #expect(end.exitStatus == 5)
            let once = (1...2000).map { String(1_000_000_000 + $0).dropFirst() + "\n" }.joined()
            #expect(log.withLock { $0 } == Array(String(repeating: once, count: 50).utf8))
            #expect(reconnects.withLock { $0 } >= 5)
            runs.host.cut()
            #expect(try await run.collect { runs.host } == Array("result\n".utf8))
            try await run.connect(to: runs.host)
            try await run.remove()
            #expect(!runs.exists("there/run-1"))
        }
    }

    @Test func runThatEndedMeanwhileIsStillTold() async throws {
        try await withRuns { runs in
            var request = runs.request(
                "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two; printf r >result; exit 9")
            request.grace = .seconds(30)
            let run = RemoteRun(request)
            try await run.connect(to: runs.host)
            #expect(try await run.until("one\n") == Array("one\n".utf8))
            runs.host.cut()
            try Data().write(to: URL(filePath: runs.folder + "/go"))
            #expect(await eventually { runs.exists("there/run-1/status") })
            await #expect(throws: RemoteFailure.self) { try await run.next() }
            try await run.connect(to: runs.host)
            let (log, end) = try await run.toItsEnd()
            #expect(log == Array("two\n".utf8))
            #expect(end.exitStatus == 9)
            #expect(try await run.result() == Array("r".utf8))
            try await run.remove()
        }
    }

    @Test func startThatWasNeverConfirmedHappensOnce() async throws {
        // The connection breaks at every possible moment of the start.
        for delay in [0, 2, 5, 10, 15, 20, 30, 50] {
            try await withRuns { runs in
                let run = RemoteRun(runs.request("echo started >>../starts; sleep 0.2; echo done"))
                let cutter = Task {
                    try await Task.sleep(for: .milliseconds(delay))
                    runs.host.cut()
                }
                try? await run.connect(to: runs.host)
                try await cutter.value
                let log = Mutex<[UInt8]>([])
                let end = try await run.follow {
                    runs.host
                } log: { bytes in
                    log.withLock { $0 += bytes }
                }
                #expect(end.isSuccess)
                #expect(log.withLock { $0 } == Array("done\n".utf8))
                #expect(runs.file("there/starts") == "started\n")
                try await run.connect(to: runs.host)
                try await run.remove()
            }
        }
    }

    @Test func runEndsWhenNobodyComesBack() async throws {
        try await withRuns { runs in
            var request = runs.request(
                "(trap '' TERM; sleep 600) & trap 'echo polite; exit 3' TERM; echo up; sleep 601 & wait")
            request.grace = .seconds(1)
            request.secrets = [SecretFile(name: "token", bytes: Array("hush".utf8))]
            let run = RemoteRun(request)
            try await run.connect(to: runs.host)
            _ = try await run.until("up")
            let store = try FileManager.default.destinationOfSymbolicLink(atPath: runs.folder + "/secrets")
            #expect(FileManager.default.fileExists(atPath: store + "/token"))
            let cutAt = ContinuousClock.now
            runs.host.cut()
            #expect(await eventually { processes(workingIn: runs.root).isEmpty })
            #expect(ContinuousClock.now - cutAt > .milliseconds(900))
            #expect(!FileManager.default.fileExists(atPath: store))
            try await run.connect(to: runs.host)
            let (log, end) = try await run.toItsEnd()
            #expect(log == Array("polite\n".utf8))
            #expect(end.cause == .detached)
            #expect(!end.isSuccess)
            try await run.remove()
        }
    }

    @Test func graceBeginsAnewWithEachVisit() async throws {
        // Away for longer than the grace altogether, and never at once, unless the machine is so slow.
        let wasAlwaysInTime = try await withEnoughTime(from: .seconds(5)) { grace in
            try await withRuns { runs in
                var request = runs.request("while [ ! -e go ]; do sleep 0.05; done; echo survived")
                request.grace = grace
                let run = RemoteRun(request)
                try await run.connect(to: runs.host)
                for _ in 0..<3 {
                    let cutAt = ContinuousClock.now
                    runs.host.cut()
                    await #expect(throws: RemoteFailure.self) { try await run.next() }
                    try await Task.sleep(for: grace * 0.4)
                    try await run.connect(to: runs.host)
                    if ContinuousClock.now - cutAt > grace * 0.9 { return false }
                }
                try Data().write(to: URL(filePath: runs.folder + "/go"))
                let (log, end) = try await run.toItsEnd()
                #expect(log == Array("survived\n".utf8))
                #expect(end.isSuccess)
                try await run.remove()
                return true
            }
        } wasEnough: {
            $0
        }
        #expect(wasAlwaysInTime)
    }

    @Test func frozenHostIsNoticedAndItsSessionReplaced() async throws {
        // One that is slow is not frozen: it gets more time to come up.
        let wasUp = try await withEnoughTime(from: .seconds(1)) { time in
            try await withRuns { runs in
                var request = runs.request("echo up; sleep 600")
                request.heartbeat = time / 5
                request.silenceLimit = time
                let run = RemoteRun(request)
                try await run.connect(to: runs.host)
                do { _ = try await run.until("up") } catch RemoteFailure.connectionLost { return false }
                let frozen = try #require(runs.host.pids.first)
                kill(-frozen, SIGSTOP)
                let error = await #expect(throws: RemoteFailure.self) { try await run.next() }
                #expect(error == .connectionLost("nothing came for \(time.components.seconds) s"))
                #expect(await eventually { (try? await run.connect(to: runs.host)) != nil })
                #expect(await eventually { kill(-frozen, 0) != 0 })
                #expect(await run.stop(within: .seconds(120))?.cause == .cancelled)
                try await run.remove()
                return true
            }
        } wasEnough: {
            $0
        }
        #expect(wasUp)
    }

    @Test func supervisorsDeathIsTold() async throws {
        try await withRuns { runs in
            var request = runs.request("echo up; sleep 600")
            request.secrets = [SecretFile(name: "token", bytes: Array("hush".utf8))]
            let run = RemoteRun(request)
            try await run.connect(to: runs.host)
            _ = try await run.until("up")
            let store = try FileManager.default.destinationOfSymbolicLink(atPath: runs.folder + "/secrets")
            // The command's parent.
            let command = try #require(
                processes(workingIn: runs.root).first { groupLeader($0) && argument($0, "sleep 600") })
            let supervisor = parent(of: command)
            kill(supervisor, SIGKILL)
            await #expect(throws: RemoteFailure.supervisorLost) { try await run.next() }
            // The session does what is left to do.
            #expect(await eventually { kill(-command, 0) != 0 && kill(-supervisor, 0) != 0 })
            #expect(!FileManager.default.fileExists(atPath: store))
        }
    }

    @Test func strangerIsNotLetIn() async throws {
        try await withRuns { runs in
            var request = runs.request("sleep 600")
            request.grace = .seconds(1)
            let run = RemoteRun(request)
            try await run.connect(to: runs.host)
            try Data("another nonce\n".utf8).write(to: URL(filePath: runs.folder + "/nonce"))
            await run.disconnect()
            await #expect(throws: RemoteFailure.runGone) { try await run.connect(to: runs.host) }
        }
    }

    @Test func sessionsThatEndAtOnceLeaveNothing() async throws {
        // A helper that is just being started must not miss the end.
        try await withRuns { runs in
            let run = RemoteRun(runs.request("sleep 600"))
            for _ in 0..<30 {
                try await run.connect(to: runs.host)
                await run.disconnect()
            }
            let sessions = runs.host.pids
            #expect(await eventually { sessions.allSatisfy { kill(-$0, 0) != 0 } })
            try await run.connect(to: runs.host)
            #expect(await run.stop(within: .seconds(120)) != nil)
            try await run.remove()
        }
    }

    @Test func patienceEnds() async throws {
        struct Unreachable: Error {}
        try await withRuns { runs in
            var request = runs.request("echo up; sleep 600")
            request.grace = .seconds(1)
            let time = SkippedTime()
            let run = RemoteRun(request, timing: time.timing)
            try await run.connect(to: runs.host)
            _ = try await run.until("up")
            runs.host.cut()
            let error = await #expect(throws: RemoteFailure.self) {
                try await run.follow {
                    throw Unreachable()
                } log: { _ in
                }
            }
            #expect(error == .connectionLost("Unreachable()"))
            #expect(time.sleeps == Array(repeating: .milliseconds(500), count: 120))
            let late = await #expect(throws: RemoteFailure.self) {
                try await run.follow(patience: .milliseconds(200)) {
                    try await Task.sleep(for: .seconds(600))
                    throw Unreachable()
                } log: { _ in
                }
            }
            #expect(late == .connectionLost("no new connection could be made in time"))
            #expect(await eventually { processes(workingIn: runs.root).isEmpty })
        }
    }
}

private func status(_ pid: Int32) -> [Substring] {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
    return text.split(separator: ")").last?.split(separator: " ") ?? []
}

private func parent(of pid: Int32) -> Int32 { status(pid).dropFirst().first.flatMap { Int32($0) } ?? -1 }
private func groupLeader(_ pid: Int32) -> Bool { status(pid).dropFirst(2).first.flatMap { Int32($0) } == pid }
private func argument(_ pid: Int32, _ text: String) -> Bool { processes(holding: text).contains(pid) }
