import Foundation
import Glibc
import LianChannel
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianSSH

@Suite(.serialized) struct ChannelTests {
    @Test func outputErrorAndStatusArrive() async throws {
        try await withConnection { _, connection in
            let result = try await connection.finish("cat; printf err >&2; exit 7", input: Array("in".utf8))
            #expect(result.text == "in")
            #expect(result.error == Array("err".utf8))
            #expect(result.end == RemoteEnd(isClean: true, exitStatus: 7, signal: nil))
        }
    }

    @Test func everyExitStatusIsTold() async throws {
        try await withConnection { _, connection in
            for status in 0...255 {
                let result = try await connection.finish("exit \(status)")
                #expect(result.end == RemoteEnd(isClean: true, exitStatus: Int32(status), signal: nil))
            }
        }
    }

    @Test func aSignalIsNoSuccess() async throws {
        try await withConnection { _, connection in
            let result = try await connection.finish("kill -9 $$")
            #expect(result.end == RemoteEnd(isClean: false, exitStatus: nil, signal: "KILL"))
        }
    }

    @Test func anEndThatWasNotAwaitedHasNoStatus() async throws {
        try await withConnection { _, connection in
            // libssh2 answers 0 for it.
            let channel = try await connection.open("sleep 600")
            let start = ContinuousClock.now
            let end = await channel.close()
            #expect(end == RemoteEnd(isClean: false, exitStatus: nil, signal: nil))
            #expect(ContinuousClock.now - start < .seconds(300))
            #expect(await channel.close() == end)
            #expect(try await connection.finish("echo on").text == "on\n")
        }
    }

    @Test func aCommandThatOutlivesItsOutputIsNotWaitedForLong() async throws {
        try await withConnection { _, connection in
            let channel = try await connection.open("exec >&- 2>&-; sleep 600")
            #expect(try await channel.read() == nil)
            let start = ContinuousClock.now
            #expect(await channel.close() == RemoteEnd(isClean: false, exitStatus: nil, signal: nil))
            #expect(ContinuousClock.now - start < .seconds(300))
        }
    }

    @Test func muchOnStandardErrorAloneDoesNotDeadlock() async throws {
        try await withConnection { _, connection in
            let result = try await connection.finish("head -c 5000000 /dev/zero >&2; echo done")
            #expect(result.error.count == 5_000_000)
            #expect(result.text == "done\n")
            #expect(result.end.exitStatus == 0)
        }
    }

    @Test func muchGoesBothWaysAtOnceAndArrivesWhole() async throws {
        try await withConnection { _, connection in
            try await roundTrip(connection, megabytes: 50)
        }
    }

    /// What one channel's call takes off the network for another must not lie there until the network speaks again:
    /// here it would not, since everybody waits.
    @Test(.timeLimit(.minutes(1))) func answersAreSeenWhicheverCallTookThemIn() async throws {
        try await withConnection { _, connection in
            var channels: [any RemoteChannel] = []
            // Each answers on both streams in turn.
            let command = "while read -r line; do echo $line; read -r line; echo $line >&2; done"
            for _ in 0..<8 { channels.append(try await connection.open(command)) }
            for question in 0..<1000 {
                let line = Array("\(question)\n".utf8)
                try await withThrowingTaskGroup(of: RemoteOutput?.self) { group in
                    for channel in channels {
                        group.addTask {
                            try await channel.write(line)
                            return try await channel.read()
                        }
                    }
                    for try await answer in group {
                        #expect(answer == (question % 2 == 0 ? .output(line) : .error(line)))
                    }
                }
            }
            for channel in channels { _ = await channel.close() }
        }
    }

    @Test func keysAreExchangedAnewUnderLoad() async throws {
        try await withConnection(SSHServerOptions(configuration: ["RekeyLimit 4M", "LogLevel DEBUG1"])) {
            server, connection in
            try await roundTrip(connection, megabytes: 20)
            #expect(server.log.components(separatedBy: "SSH2_MSG_NEWKEYS received").count > 3)
        }
    }

    private func roundTrip(_ connection: SSHConnection, megabytes: Int) async throws {
        var generator = SystemRandomNumberGenerator()
        let block = (0..<(1 << 17)).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }
        let channel = try await connection.open("cat")
        async let written: Void = {
            for _ in 0..<megabytes { try await channel.write(block) }
            try await channel.closeInput()
        }()
        var count = 0
        var isEqual = true
        while let piece = try await channel.read() {
            guard case .output(let bytes) = piece else { continue }
            isEqual = isEqual && repeats(block, from: count, in: bytes)
            count += bytes.count
        }
        try await written
        #expect(count == megabytes * block.count)
        #expect(isEqual)
        #expect(await channel.close() == RemoteEnd(isClean: true, exitStatus: 0, signal: nil))
        #expect(channel.counters.sent == count)
        // sshd at its debug level adds a word of its own on the other stream.
        #expect(channel.counters.received >= count)
    }

    /// Whether the bytes are those of the endlessly repeated block from that position on.
    private func repeats(_ block: [UInt8], from position: Int, in bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let start = (position + offset) % block.count
            let length = min(bytes.count - offset, block.count - start)
            let isSame = bytes.withUnsafeBytes { bytes in
                block.withUnsafeBytes { block in
                    guard let one = bytes.baseAddress, let other = block.baseAddress else { return false }
                    return memcmp(one + offset, other + start, length) == 0
                }
            }
            guard isSame else { return false }
            offset += length
        }
        return true
    }

    @Test func writingToACommandThatHasEndedEnds() async throws {
        try await withConnection { _, connection in
            let channel = try await connection.open("exit 3")
            await #expect(throws: RemoteChannelClosed.self) {
                while true { try await channel.write([UInt8](repeating: 0, count: 1 << 20)) }
            }
            while try await channel.read() != nil {}
            #expect(await channel.close() == RemoteEnd(isClean: true, exitStatus: 3, signal: nil))
        }
    }

    @Test func aSlowReaderHoldsNobodyElseUp() async throws {
        try await withConnection { _, connection in
            let slow = try await connection.open("cat /dev/zero")
            _ = try await slow.read()
            for _ in 0..<5 {
                #expect(try await connection.finish("head -c 3000000 /dev/zero").output.count == 3_000_000)
            }
            _ = await slow.close()
        }
    }

    @Test(arguments: [[], ["RekeyLimit 2M"]]) func sixteenChannelsWorkAtOnce(configuration: [String]) async throws {
        try await withConnection(SSHServerOptions(configuration: configuration)) { _, connection in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<16 {
                    group.addTask {
                        let input = [UInt8](repeating: UInt8(number), count: 1 << 20)
                        let result = try await connection.finish("cat; exit \(number)", input: input)
                        return result.output == input && result.end.exitStatus == Int32(number)
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func aRefusedChannelIsAnErrorOfItsOwn() async throws {
        try await withConnection(SSHServerOptions(configuration: ["MaxSessions 1"])) { _, connection in
            let first = try await connection.open("cat")
            let error = await lianError(.sshUnreachable) { _ = try await connection.open("true") }
            #expect(error?.hint.contains("MaxSessions") == true)
            try await first.write(Array("still there".utf8))
            #expect(try await first.read() == .output(Array("still there".utf8)))
        }
    }

    @Test func aCancelledReadEndsAndTheChannelGoesOn() async throws {
        try await withConnection { _, connection in
            let channel = try await connection.open("cat")
            let reading = Task { try await channel.read() }
            try await Task.sleep(for: .milliseconds(20))
            reading.cancel()
            await #expect(throws: CancellationError.self) { try await reading.value }
            try await channel.write([1, 2, 3])
            #expect(try await channel.read() == .output([1, 2, 3]))
        }
    }

    @Test func aCancelledWriteEnds() async throws {
        try await withConnection { _, connection in
            let channel = try await connection.open("sleep 600")
            let writing = Task { try await channel.write([UInt8](repeating: 0, count: 64 << 20)) }
            #expect(await eventually { channel.counters.sent >= SendAhead.least })
            writing.cancel()
            await #expect(throws: CancellationError.self) { try await writing.value }
            _ = await channel.close()
            #expect(try await connection.finish("echo on").text == "on\n")
        }
    }

    @Test func closingWorksInACancelledTask() async throws {
        try await withConnection { _, connection in
            let closing = Task {
                let channel = try await connection.open("true")
                while try await channel.read() != nil {}
                withUnsafeCurrentTask { $0?.cancel() }
                return await channel.close()
            }
            let end = try await closing.value
            #expect(end == RemoteEnd(isClean: true, exitStatus: 0, signal: nil))
        }
    }

    @Test func channelsThatAreLetGoAreClosed() async throws {
        try await withConnection(SSHServerOptions(configuration: ["MaxSessions 2"])) { _, connection in
            for _ in 0..<10 {
                // The server has room again once it has noticed.
                let isOpened = await eventually {
                    (try? await connection.open("cat")) != nil
                }
                #expect(isOpened)
            }
        }
    }
}
