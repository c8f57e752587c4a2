import Foundation
import LianModel
import LianRemote
import LianSystem
import LianTestSupport
import Testing

@Suite(.serialized) struct RemoteRunTests {
    @Test func logResultAndStatusArrive() async throws {
        try await withRuns { runs in
            let (log, end, result) = try await runs.complete(
                runs.request("echo out; echo err >&2; printf '{}' >result; exit 7"))
            #expect(log == "out\nerr\n")
            #expect(end.exitStatus == 7)
            #expect(end.signal == nil)
            #expect(end.cause == .ended)
            #expect(end.logBytes == 8)
            #expect(result == Array("{}".utf8))
            #expect(!runs.exists("there/run-1"))
        }
    }

    @Test func busyboxIsEnough() async throws {
        try #require(Busybox.isUsable, "needs root, unshare and /bin/busybox")
        try await withTemporaryFolder { tools in
            try await withRuns(on: Busybox.host(tools: tools.path)) { runs in
                let script = "cat secrets/s; printf '%s' \"$1$V\"; stat -L -c %i /proc/$$/exe; exit 3"
                var request = runs.request(script, ["sh", "a\n b"])
                request.environment = ["V": "'$(id)\n"]
                request.secrets = [SecretFile(name: "s", bytes: Array("hush".utf8))]
                let (log, end, result) = try await runs.complete(request)
                let shell = try FileManager.default.attributesOfItem(atPath: Busybox.path)[.systemFileNumber]
                #expect(log == "husha\n b'$(id)\n\(shell ?? 0)\n")
                #expect(end.exitStatus == 3)
                #expect(result == nil)
                #expect(!runs.exists("there/run-1"))

                var cancelled = runs.request("trap '' TERM; sleep 600 & echo up; wait")
                cancelled.folder = runs.root + "/there/run-2"
                let run = RemoteRun(cancelled)
                try await run.connect(to: runs.host)
                _ = try await run.until("up")
                runs.host.cut()
                await #expect(throws: RemoteFailure.self) { try await run.toItsEnd() }
                try await run.connect(to: runs.host)
                try await run.cancel()
                #expect(try await run.toItsEnd().end.cause == .cancelled)
                try await run.remove()
            }
        }
    }

    @Test func valuesArriveAsTheyAre() async throws {
        let values = [
            "", " ", "\n", "a\n\nb\n", "'", "\"", "$(touch pwned)", "`touch pwned`", "; touch pwned", "-rf", "--", "\\",
            "\\n",
            "é😀", "\t\r\u{1}\u{7f}", "*", "~", "a=b", String(repeating: "x", count: 20_000),
        ]
        try await withRuns { runs in
            var request = runs.request(#"printf '<%s>' "$@"; printf '<%s>' "$V"; ls"#, ["sh"] + values)
            request.folder = runs.root + "/it's $(touch pwned)\n\"run\""
            request.environment = ["V": "a\n'b' $(touch pwned)\n"]
            let (log, end, _) = try await runs.complete(request)
            let expected = values.map { "<\($0)>" }.joined() + "<a\n'b' $(touch pwned)\n>"
            #expect(log.hasPrefix(expected))
            #expect(!log.dropFirst(expected.count).contains("pwned"))
            #expect(end.isSuccess)
            #expect(try FileManager.default.contentsOfDirectory(atPath: runs.root).isEmpty)
        }
    }

    @Test func requestsThatCannotBeSentAreRefusedHere() async throws {
        let host = LocalHost()
        var bad = [RunRequest(folder: "/tmp/x", arguments: ["a\0b"]), RunRequest(folder: "x", arguments: ["true"])]
        bad += [[], [""], ["-x"]].map { RunRequest(folder: "/tmp/x", arguments: $0) }
        bad.append(RunRequest(folder: "/tmp/x", arguments: ["true"], environment: ["A B": ""]))
        bad.append(
            RunRequest(folder: "/tmp/x", arguments: ["true"], secrets: [SecretFile(name: "../x", bytes: [])]))
        for request in bad {
            let error = await #expect(throws: RemoteFailure.self) { try await RemoteRun(request).connect(to: host) }
            guard case .invalidRequest = error else {
                Issue.record("\(request.arguments): \(String(describing: error))")
                continue
            }
        }
        #expect(host.pids.isEmpty)
    }

    @Test func endBySignalIsTold() async throws {
        try await withRuns { runs in
            let end = try await runs.complete(runs.request("kill -9 $$")).end
            #expect(end.exitStatus == 137)
            #expect(end.signal == 9)
            #expect(end.cause == .ended)
            #expect(!end.isSuccess)
        }
    }

    @Test func missingProgramIsNamed() async throws {
        try await withRuns { runs in
            let run = RemoteRun(RunRequest(folder: runs.folder, arguments: ["no-such-program"]))
            await #expect(throws: RemoteFailure.commandMissing("no-such-program")) {
                try await run.connect(to: runs.host)
            }
            #expect(await eventually { !runs.exists("there/run-1") })
        }
    }

    @Test func folderOfAnotherIsNotTaken() async throws {
        try await withRuns { runs in
            try FileManager.default.createDirectory(atPath: runs.folder, withIntermediateDirectories: true)
            await #expect(throws: RemoteFailure.folderTaken(runs.folder)) {
                try await RemoteRun(runs.request("true")).connect(to: runs.host)
            }
            var request = runs.request("true")
            request.folder = "/proc/nowhere/run"
            await #expect(throws: RemoteFailure.folderUnusable("/proc/nowhere/run")) {
                try await RemoteRun(request).connect(to: runs.host)
            }
            #expect(runs.exists("there/run-1"))
        }
    }

    @Test func forgedRecordsAreLog() async throws {
        // The command knows everything that its user can know, the nonce too.
        let script = """
            read -r nonce <nonce
            for forged in "$nonce X 0 ended 5 machine 0 - machine 0 -" "$nonce D" "$nonce E gone"; do
              echo "$forged"; echo "$forged" >&2
            done
            exit 1
            """
        try await withRuns { runs in
            let (log, end, _) = try await runs.complete(runs.request(script))
            #expect(end.exitStatus == 1)
            #expect(log.split(separator: "\n").count == 6)
            #expect(log.hasSuffix(" E gone\n"))
        }
    }

    @Test func noiseOnTheChannelIsNoRecord() async throws {
        // As a login shell's rc files may print it.
        let noise = "echo 'X 0 ended' >&2; echo welcome; printf half; printf 'E gone' >&2; exec \"$@\""
        let host = LocalHost(launcher: ["/bin/sh", "-c", noise, "sh"])
        try await withRuns(on: host) { runs in
            let (log, end, _) = try await runs.complete(runs.request("echo hello; exit 4"))
            #expect(log == "hello\n")
            #expect(end.exitStatus == 4)
        }
    }

    /// A runner that says much and nothing that was asked for: before the run exists neither time nor memory is lost to
    /// it. It learns the nonce as the wrapper does, from the first line behind the script.
    @Test(
        .timeLimit(.minutes(2)),
        arguments: [
            ("exec yes noise >&2", "nothing but noise came for 5 s"),
            ("while :; do echo noise >&2; sleep 0.1; done", "nothing but noise came for 5 s"),
            ("exec yes noise", "the runner's login shell prints without end"),
            ("learn; echo $nonce; exec yes log", "talks, but does not say"),
            ("learn; while :; do echo $nonce H >&2; sleep 0.1; done", "talks, but does not say"),
            ("learn; echo $nonce; while :; do echo log; sleep 0.1; done", "talks, but does not say"),
        ])
    func noiseWithoutEndIsNoStart(runner: String, reason: String) async throws {
        // The script's last line has no end of its own.
        let learn =
            "learn() { while read -r line; do line=${line#esac}; case $line in *[!0-9a-f]*) continue; esac; "
            + "if [ ${#line} -eq 32 ]; then nonce=$line; return; fi; done; }"
        let host = LocalHost(launcher: ["/bin/sh", "-c", "\(learn); \(runner)", "sh"])
        try await withRuns(on: host) { runs in
            var request = runs.request("echo hello")
            request.silenceLimit = .seconds(5)
            let before = residentMegabytes()
            let error = await #expect(throws: RemoteFailure.self) { try await RemoteRun(request).connect(to: host) }
            guard case .connectionLost(let told) = error else { return }
            #expect(told.contains(reason), "\(told)")
            #expect(residentMegabytes() - before < 100)
        }
    }

    @Test func quietRunIsHeldByHeartbeats() async throws {
        let log = try await withEnoughTime(from: .seconds(1)) { time in
            try await withRuns { runs in
                var request = runs.request("sleep \(time.components.seconds * 2); echo late")
                request.heartbeat = time / 5
                request.silenceLimit = time
                do { return try await runs.complete(request).log } catch RemoteFailure.connectionLost { return nil }
            }
        } wasEnough: {
            $0 != nil
        }
        #expect(log == "late\n")
    }

    @Test func floodArrivesWholeInBoundedMemory() async throws {
        try await withRuns { runs in
            // 5 MB on standard error alone, then 100 MB, each line numbered.
            let run = RemoteRun(
                runs.request("head -c 5000000 /dev/zero >&2; seq -f %099.0f 1 1000000"))
            try await run.connect(to: runs.host)
            let before = residentMegabytes()
            var peak = before
            var count = 0
            var tail: [UInt8] = []
            var ended: RunEnd?
            while ended == nil {
                switch try await run.next() {
                case .log(let bytes):
                    count += bytes.count
                    tail = tail.suffix(100) + bytes.suffix(100)
                    peak = max(peak, residentMegabytes())
                case .ended(let end): ended = end
                }
            }
            #expect(ended?.isSuccess == true)
            #expect(count == 105_000_000)
            #expect(String(decoding: tail.suffix(8), as: UTF8.self) == "1000000\n")
            #expect(peak - before < 60)
            try await run.remove()
        }
    }
}

private func residentMegabytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096 >> 20
}
