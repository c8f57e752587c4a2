import Glibc
import LianSystem
import LianTestSupport
import Testing

/// What is told to a reader that is slow, or reads no more.
@Suite struct StandardErrorTests {
    private static let chunk = Array(String(repeating: "a line of a log that has much to say\n", count: 1000).utf8)

    private func pipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        try #require(Glibc.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    /// What is in the pipe, up to a page of it; nil once its other end is closed.
    private func read(_ pipe: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let taken = Glibc.read(pipe, &bytes, bytes.count)
        return taken > 0 ? Array(bytes.prefix(taken)) : nil
    }

    @Test func aSlowReaderLosesNothing() async throws {
        let (reading, writing) = try pipe()
        defer { close(reading) }
        let stderr = StandardError(descriptor: writing, patience: .seconds(300))
        async let all = onOwnThread {
            var all: [UInt8] = []
            while let bytes = read(reading) {
                all += bytes
                usleep(500)
            }
            return all
        }
        var told: [UInt8] = []
        for _ in 0..<100 {
            stderr.write(Self.chunk)
            told += Self.chunk
            await stderr.drain(to: 256 << 10)
        }
        await onOwnThread { stderr.waitUntilWritten() }
        close(writing)
        #expect(await all == told)
    }

    /// It costs its writers no time, and is told how much it has missed when it reads again.
    @Test func aReaderThatStopsIsToldWhatItMissed() async throws {
        let (reading, writing) = try pipe()
        defer { close(reading) }
        let stderr = StandardError(descriptor: writing, patience: .zero)
        let written = 100
        for _ in 0..<written {
            stderr.write(Self.chunk)
            await stderr.drain()
        }
        async let all = onOwnThread {
            var all: [UInt8] = []
            while let bytes = read(reading) { all += bytes }
            return all
        }
        await onOwnThread { stderr.waitUntilWritten() }
        stderr.line("the last line")
        await onOwnThread { stderr.waitUntilWritten() }
        close(writing)
        let text = String(decoding: await all, as: UTF8.self)
        let kept = try #require(text.firstRange(of: #/\n[0-9]+ bytes are missing here/#)).lowerBound
        let lost = written * Self.chunk.count - text[...kept].utf8.count
        #expect(lost > 0)
        #expect(text[kept...] == "\n\(lost) bytes are missing here: they were not read in time\nthe last line\n")
    }

    @Test func aCancelledWriterDoesNotWait() async throws {
        let (reading, writing) = try pipe()
        defer { close(reading) }
        let stderr = StandardError(descriptor: writing, patience: .seconds(3600))
        for _ in 0..<10 { stderr.write(Self.chunk) }
        let waiting = Task { await stderr.drain() }
        waiting.cancel()
        await waiting.value
    }
}
